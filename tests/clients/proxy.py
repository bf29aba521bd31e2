"""Starts a reverse proxy from Debian with a block of configuration from the documentation."""
import os
import pwd
import re
import socket
import subprocess
import time
from pathlib import Path

from processes import plain_environment

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs" / "proxies"
VARIANTS = HERE / "proxies"

START_SECONDS = 20
STOP_SECONDS = 10
# Shorter than common timeouts, longer than the interval of the server's keep-alives.
PATIENCE = 20

# The rest of a configuration; the port, the server's address and the timeouts are replaced in the block itself.
AROUND = {
    "nginx": """
daemon off;
user {user};
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=answers:1m;
{block}
}}
""",
    "haproxy": "{block}",
    "apache": """
ServerRoot {folder}
ServerName 127.0.0.1
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog /dev/stderr
User nobody
Group nogroup
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
{block}
""",
    "caddy": """
{{
	admin off
	auto_https off
	default_bind 127.0.0.1
}}
{block}
""",
}
COMMANDS = {
    "nginx": ["nginx", "-p", "{folder}", "-e", "stderr", "-c", "{file}"],
    "haproxy": ["haproxy", "-db", "-f", "{file}"],
    "apache": ["apache2", "-X", "-f", "{file}"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"],
}
LISTENS = {
    "nginx": [(r"\blisten 80;", "listen 127.0.0.1:{port};")],
    "haproxy": [(r"\bbind :80\b", "bind 127.0.0.1:{port}")],
    "apache": [(r"\bListen 80\b", "Listen 127.0.0.1:{port}"), (r"<VirtualHost \*:80>", "<VirtualHost *:{port}>")],
    "caddy": [(r"(?m)^:80 ", ":{port} ")],
}
TIMES = {
    "nginx": (r"(_timeout) 60s;", r"\1 {seconds}s;"),
    "haproxy": (r"\b(client|server|tunnel) 60s\b", r"\1 {seconds}s"),
    "apache": (r"\b(timeout)=60\b", r"\1={seconds}"),
}


class Proxy:
    """`with Proxy("nginx", file, folder, server) as proxy:` forwards `proxy.url` to the server."""

    def __init__(self, program, file, folder, server, prefix="/metrograph"):
        self.program, self.folder = program, Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        upstream = server.url.removeprefix("http://")
        changes = [(r"\b127\.0\.0\.1:8181\b", upstream), *LISTENS[program], *filter(None, [TIMES.get(program)])]
        block = Path(file).read_text()
        for found, put in changes:
            block, number = re.subn(found, put.format(port=self.port, seconds=PATIENCE), block)
            if not number:
                raise RuntimeError(f"{file} has no {found}")
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.file = self.folder / "proxy.conf"
        self.file.write_text(AROUND[program].format(block=block, folder=self.folder, user=user))

    def __enter__(self):
        command = [part.format(folder=self.folder, file=self.file) for part in COMMANDS[self.program]]
        environment = plain_environment(XDG_DATA_HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder))
        # Debian installs most of them in sbin.
        environment["PATH"] += f"{os.pathsep}/usr/sbin"
        with open(self.folder / "proxy.txt", "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        said = (self.folder / "proxy.txt").read_text(errors="replace")
        raise RuntimeError(f"{self.program} does not listen:\n{said[-4000:]}")

    def _end(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
