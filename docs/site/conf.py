"""How Sphinx makes the site: everything is local, nothing is loaded from elsewhere."""

project = "deepcanon"
extensions = ["myst_parser"]
myst_enable_extensions: list[str] = []
myst_heading_anchors = 3
html_theme = "furo"
html_title = "deepcanon"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sphinx = False
html_show_copyright = False
smartquotes = False  # options begin with two hyphens
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
