"""Every kind of page that is the example's own, by its name: who looks at it, its address, and the answer's status."""

from __future__ import annotations

from example_project.signin.personas import CARLOS, MIRA, NADIA, OLIVIA, SAM, VICTOR

PAGES = {
    "sign-in": (None, "/sign-in/", 200),
    "switch-user": (OLIVIA, "/sign-in/", 200),
    "gallery": (OLIVIA, "/", 200),
    "gallery-of-little": (NADIA, "/", 200),
    "gallery-forbidden": (SAM, "/", 200),
    "gallery-last-page": (OLIVIA, "/?page=2", 200),
    "search-in-vain": (VICTOR, "/?q=nothing+is+called+so", 200),
    "album": (OLIVIA, "/albums/archive-2019/", 200),
    "detail": (OLIVIA, "/photos/1/", 200),
    "detail-archived": (OLIVIA, "/photos/4/", 200),
    "detail-to-look-at": (VICTOR, "/photos/1/", 200),
    "edit": (OLIVIA, "/photos/1/edit/", 200),
    "delete": (MIRA, "/photos/1/delete/", 200),
    "upload": (CARLOS, "/albums/summer-2026/upload/", 200),
    "what": (CARLOS, "/what-may-i-do/?photo=4", 200),
    "what-hidden": (NADIA, "/what-may-i-do/?photo=66", 200),
    "forbidden": (OLIVIA, "/photos/4/edit/", 403),
    "not-permitted": (VICTOR, "/photos/1/edit/", 403),
    "error-401": (None, "/errors/401/", 401),
    "error-404": (OLIVIA, "/errors/404/", 404),
    "error-503": (OLIVIA, "/errors/503/", 503),
}
