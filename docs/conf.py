"""How `make docs` makes HTML of the book: the pages as they stand in the repository, with links between all documents.

The source directory is that of the repository (`sphinx-build -c docs . build/docs`), so that pages may link to
documents outside of docs/. The contents are the links of docs/book/index.md: each of its headings is a part.
"""

import re

project = "Maelstrom"
author = "the authors of Maelstrom"
root_doc = "docs/book/index"
extensions = ["myst_parser"]
include_patterns = ["docs/**/*.md", "docs/*.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = ["build", "**/.*", "*.egg-info", "tests", "examples"]
source_suffix = {".md": "markdown"}
nitpicky = True
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
smartquotes = False
html_theme = "furo"
html_title = "Maelstrom"
html_extra_path = ["html"]
html_show_copyright = False

DEVELOPERS = ["/ARCHITECTURE", "/CONTRIBUTING", "/docs/protocol", "/docs/template-protocol", "/docs/decisions/*"]


def add_contents(_app, name, source):
    """Append to the first page what Sphinx wants to know of the order of pages, from its links."""
    if name != root_doc:
        return
    parts = re.split(r"^## (.+)$", source[0], flags=re.MULTILINE)
    contents = [
        (title, re.findall(r"^- .*?\]\(([^)]+)\.md\)", text, re.MULTILINE))
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    for title, pages in [*contents, ("For developers", DEVELOPERS)]:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"


def setup(app):
    """Have Sphinx call what is in here."""
    app.connect("source-read", add_contents)
