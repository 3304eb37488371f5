"""The app: a page on this machine that smooths an image with a slider, `jumpset app`."""

from jumpset.app.server import serve as serve
