"""Bridges to other libraries; each is imported only when its library is in use."""
