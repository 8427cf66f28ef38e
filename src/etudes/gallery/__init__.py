"""The gallery: a static site of all studies, from recorded results, reports, READMEs and graphs.

`collect` reads what a project holds, `model` decides what is said of it, `site` writes the pages. The pages need no
server, no network and, to be read, no script.
"""

from etudes.gallery.model import Entry, ReportFile, read_recorded
from etudes.gallery.site import build_site, write_gallery

__all__ = ["Entry", "ReportFile", "build_site", "read_recorded", "write_gallery"]
