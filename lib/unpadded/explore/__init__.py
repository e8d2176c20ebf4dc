"""Looking around in a run: linked maps, what is near a query or a document, and two texts side by side.

    data -> search -> words -> pairs -> views

`Explorer` is what the notebook shows; the modules to its left work without any widget.
"""

from .explorer import Explorer

__all__ = ["Explorer"]
