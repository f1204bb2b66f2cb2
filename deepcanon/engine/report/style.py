"""The style sheet of reports: light and dark, screen and print; no font or picture from outside."""

from deepcanon.engine.svg.style import DARK, LIGHT, RULES

__all__ = ["STYLE"]

MORE_LIGHT = "--key:#fff6dc;--good:#0b7a4b;--bad:#bf2d2d;--pause:#9a6700;--going:#1463c4;--accent:#1463c4"
MORE_DARK = "--key:#3a3218;--good:#4fd08f;--bad:#ff7b72;--pause:#e3b341;--going:#6cb2ff;--accent:#6cb2ff"

STYLE = f"""
:root{{color-scheme:light dark;{LIGHT};{MORE_LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{DARK};{MORE_DARK}}}}}
{RULES}"""

STYLE += """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
  Roboto, "Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:32px 24px 80px}
h1{font-size:34px;line-height:1.15;margin:0;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{font-size:20px;margin:0 0 14px;letter-spacing:-.01em}
h3{font-size:15px;margin:18px 0 8px}
small,.note,.none{color:var(--soft)}
small{font-size:12px}
.note{font-size:13px;margin:8px 2px 0}
.eyebrow{margin:0 0 4px;font-size:12px;letter-spacing:.09em;text-transform:uppercase;
  color:var(--accent);font-weight:600}
.lead{font-size:17px;margin:8px 0 0;color:var(--soft);max-width:60em}
.chips{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0 0}
.chips span{border:1px solid var(--rule);background:var(--paper);border-radius:99px;padding:2px 12px;
  font-size:13px; overflow-wrap:anywhere}
.chips b{color:var(--soft);font-weight:500}
.folder{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--soft);
  margin:10px 0 0; overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:14px;margin:24px 0}
.card{background:var(--paper);border:1px solid var(--rule);border-radius:12px;padding:14px 16px}
.card span{display:block;font-size:12px;color:var(--soft);overflow-wrap:anywhere}
.card strong{font-size:23px;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums;
  display:block; overflow-wrap:anywhere}
.card strong small{font-size:14px;font-weight:400}
.card.key{border-color:var(--accent)}
.state.good{color:var(--good)}
.state.bad,.bad{color:var(--bad)}
.state.pause{color:var(--pause)}
.state.going{color:var(--going)}
.bar{height:5px;border-radius:9px;background:var(--rule);margin-top:8px;overflow:hidden}
.bar i{display:block;height:100%;background:var(--accent)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;border-bottom:1px solid var(--rule);padding-bottom:10px;
  margin-bottom:8px}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
section{margin-top:34px}
.warn{border-left:3px solid var(--pause);padding:6px 12px;background:var(--key)}
.wide{overflow-x:auto;background:var(--paper);border:1px solid var(--rule);border-radius:12px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:left;white-space:nowrap}
th,td{padding:7px 14px;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
td code,td.label,td.state{white-space:nowrap}
.command{white-space:pre-wrap!important}
.n{text-align:right;white-space:nowrap}
tr.key td{background:var(--key)}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:16px;
  align-items:start}
.columns .note{grid-column:1/-1;grid-row:2;margin-top:-6px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(460px,100%),1fr));gap:16px}
.chart{margin:0;background:var(--paper);border:1px solid var(--rule);border-radius:12px;
  padding:12px 14px 8px; position:relative}
.chart .head{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:14px;padding-right:96px;min-height:24px}
.chart figcaption{margin-top:2px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12.5px;color:var(--soft)}
.legend i,h3 i,.label i{display:inline-block;width:14px;height:3px;border-radius:2px;
  background:var(--line); vertical-align:middle;margin-right:6px}
.legend .faint i{opacity:.45}
.chart>input{position:absolute;opacity:0;pointer-events:none}
.chart>label{position:absolute;top:11px;font-size:12px;color:var(--soft);cursor:pointer;padding:1px 8px;
  border:1px solid var(--rule);user-select:none}
.chart>label:nth-of-type(1){right:48px;border-radius:6px 0 0 6px}
.chart>label:nth-of-type(2){right:14px;border-radius:0 6px 6px 0;border-left:0}
.chart>input:checked+label{background:var(--accent);color:var(--paper);border-color:var(--accent)}
.chart>input:focus-visible+label{outline:2px solid var(--accent);outline-offset:2px}
.two>input:nth-of-type(1):checked~.log,.two>input:nth-of-type(2):checked~.linear{display:none}
.fig{display:block;width:100%;height:auto;max-width:760px}
.line.faint{stroke-width:1.2;opacity:.55}
.line.d1{stroke-dasharray:7 4}
.line.d2{stroke-dasharray:2 4}
.ring{fill:none;stroke:var(--line);stroke-width:1.6}
.three{grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr))}
.three .fig text{font-size:13px}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(400px,100%),1fr));
  gap:16px;align-items:start;grid-auto-flow:dense}
.picture,.verdict .sample{min-width:0;background:var(--paper);border:1px solid var(--rule);border-radius:12px;
  padding:14px}
.picture h3{margin:0 0 8px}
.wide-one{grid-column:1/-1}
.lone{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:0 28px}
.lone h3{grid-column:1/-1}
figure{margin:0;min-width:0}
.canvas{display:block;cursor:zoom-in;overflow-x:auto}
.panels{display:grid;gap:14px;align-items:start;
  grid-template-columns:repeat(auto-fit,minmax(min(max(340px,100%/var(--columns,1) - 20px),100%),1fr))}
.panels .fig{margin:0 auto}
.canvas img{display:block;width:auto;
  min-width:min(320px,100%);max-width:100%;max-height:620px;image-rendering:pixelated}
figcaption,.caption{overflow-wrap:break-word;font-size:13.5px;color:var(--soft);margin:8px 0 0;max-width:72em}
.zoom{position:absolute;opacity:0;pointer-events:none}
.zoom:focus-visible+.canvas{outline:2px solid var(--accent);outline-offset:2px}
.zoom:checked+.canvas{position:fixed;inset:0;
  z-index:9;background:var(--paper);cursor:zoom-out;padding:2vh 2vw;overflow:auto;
  display:grid;align-items:center;align-content:center}
.zoom:checked+.canvas .fig{max-width:none!important;max-height:94vh;width:100%;height:auto}
.enlarged{display:none}
.zoom:checked+.canvas .enlarged{display:flex;font-size:15px}
.zoom:checked+.canvas img{width:96vw;max-height:94vh;object-fit:contain}
.strip-of{min-width:0;margin-top:10px}
.row{display:flex;flex-wrap:wrap;gap:10px}
.row figure{font-size:12px;color:var(--soft);text-align:center}
.row figcaption{margin:2px 0 0;font-size:12px}
.row img{display:block;max-height:110px;max-width:150px;border-radius:4px}
#figures .row>figure>img{max-height:300px;max-width:100%}
.picture .row>figure>img{max-height:110px!important}
.verdict pre{border-color:var(--accent)}
.verdict .sample{margin:0;padding:0;border:0;background:none}
.verdict pre,.verdict pre.table{font-size:13.5px;white-space:pre-wrap}
.sample{margin-bottom:16px}
.sample h3{margin:0 0 6px}
pre{background:var(--paper);border:1px solid var(--rule);border-radius:12px;padding:14px 16px;margin:0;
  white-space:pre-wrap;overflow-wrap:anywhere;max-height:420px;overflow:auto;unicode-bidi:isolate}
pre.table{white-space:pre}
details{margin-top:6px}
summary{cursor:pointer;font-size:13px;color:var(--soft)}
details pre{margin-top:6px;max-height:220px}
.commands td:last-child{color:var(--soft)}
.command{user-select:all}
@media print{
:root{color-scheme:light;--page:#fff;--paper:#fff;--ink:#000;--soft:#444;--rule:#ccc;--key:#f3f3f3;
  --r0:#1463c4;--r1:#d4570f;--r2:#00856a;--r3:#8c3fb8;--r4:#c2185b;--r5:#8a6d00;--r6:#0088a8;
  --r7:#5b6470;--r8:#7a4a21;--r9:#4f8a10}
main{max-width:none;padding:0}
nav,.chart>label,.chart>input,details{display:none}
.chart,.picture,.card,tr{break-inside:avoid}
h2{break-after:avoid}
pre{max-height:none}
.charts{grid-template-columns:1fr 1fr}
}
"""

STYLE += """
@media(max-width:600px){
main{padding:18px 12px 60px}
h1{font-size:27px}
.fig text{font-size:13px}
.charts,.pictures{gap:12px}
.picture,.chart{padding:10px}
.cards{grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px}
.columns{grid-template-columns:1fr}
th,td{padding:6px 8px}
}
"""
