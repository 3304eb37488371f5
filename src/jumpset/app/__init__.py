"""The app: a page on this machine that smooths an image with a slider, `jumpset app`, and its widget."""
