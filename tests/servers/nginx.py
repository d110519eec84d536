"""nginx, from Debian: a folder of files over HTTP with ranges and strong ETags."""

from __future__ import annotations

import os
import pwd

from .base import Server, apt_install

__all__ = ["NginxServer"]

_CONFIGURATION = """
daemon off;
{user}
pid {folder}/pid;
worker_processes 1;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    default_type application/octet-stream;
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location /forbidden/ {{ return 403; }}
        location /private/ {{
            if ($http_authorization != "Basic dXNlcjpwYXNz") {{ return 401; }}
            alias {folder}/root/;
        }}
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
        location /circle/ {{ return 302 /circle/; }}
    }}
}}
"""


class NginxServer(Server):
    """Gives out the files below ``root``, with gzip for those who accept it.

    ``/forbidden/`` answers 403, ``/private/`` wants user ``user`` with password ``pass``, ``/moved/`` redirects to the
    root and ``/circle/`` to itself.
    """

    name = "nginx"

    @property
    def root(self) -> str:
        """The folder that is given out."""
        return os.fspath(self.folder / "root")

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        apt_install("nginx", "nginx-light")

    def start(self) -> None:
        """One worker process, as the user of the tests."""
        for name in ("root", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(folder=self.folder, port=self.port, user=user)
        (self.folder / "nginx.conf").write_text(text)
        nginx = apt_install("nginx", "nginx-light")
        self.spawn([nginx, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"])
        self.wait(self.listens)
