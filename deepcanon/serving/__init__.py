"""The local page: the runs of a folder in a browser, live, and their trained models to try.

A small server on the loopback interface. `guard` decides which requests are answered at all; `shelf` knows the runs of
the folder, and no other path is ever opened; `pages` and `run_page` write HTML on the server from the files of a run,
in which every text is escaped; `app` puts these together. What a page does while it is open (follow a training, move a
slider) is in `page.js`, which takes HTML and numbers from the server and needs nothing else.
"""

from deepcanon.serving.server import Server

__all__ = ["Server"]
