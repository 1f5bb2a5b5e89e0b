"""The daemon's side of the page: what web.device.PageDevice asks for."""
