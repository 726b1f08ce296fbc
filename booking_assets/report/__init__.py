"""The published HTML report: an index over all organizations, and a page for each.

May import `tables`, `warehouse` and `files`, polars and Jinja2. It reads the snapshot alone: what a
figure means is decided by the marts, and here it is summed, ranked and drawn. Which organizations
have a page, and which pages are drawn again, is decided in `writing`.
"""
