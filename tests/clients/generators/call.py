"""Calls a running Metrograph with the client that openapi-python-client generates.

    python call.py FOLDER-OF-THE-CLIENT http://127.0.0.1:PORT HASH
"""
import importlib
import pkgutil
import sys
from pathlib import Path

folder, address, session = sys.argv[1:]
sys.path.insert(0, folder)
name = next(path.parent.name for path in Path(folder).glob("*/client.py"))
package = importlib.import_module(name)
models = importlib.import_module(f"{name}.models")
failed = 0


def api(module):
    return importlib.import_module(f"{name}.api.{module}")


def expect(what, got, expected):
    global failed
    failed += got != expected
    print(f"ok    {what}" if got == expected else f"FAIL  {what}: got {got!r}, expected {expected!r}", flush=True)


# Every generated module can be imported.
modules = [module.name for module in pkgutil.walk_packages(package.__path__, f"{name}.")]
for module in modules:
    importlib.import_module(module)

client = package.Client(base_url=address)
tags = models.Tags.from_dict({"pipeline_branch": "main", "python-version": 3.12, "nightly": True, "note": None})
body = models.CreateSessionRequest(session_h=session, run_date="2026-01-05T03:00:00", description=tags, scm_ref="abc")
created = api("sessions.create_session").sync_detailed(client=client, body=body)
expect("a session with tags is stored", (created.status_code, created.parsed.session_h), (201, session))

page = api("sessions.list_sessions_by_prefix").sync(
    session, client=client, with_flags=["python-version", "nightly"], method=models.Match.MATCH_ALL, page=1
)
read = [(tag.name, tag.value) for tag in page.sessions[0].tags]
stored = [("pipeline_branch", "main"), ("python-version", "3.12"), ("nightly", "true"), ("note", "")]
expect("its tags are read back", read, stored)

head = api("resources.list_head_with_n").sync(models.Resource.TOTAL_TIME, 3, client=client)
expect("a ranking is read", (head.metrics, head.next_url, head.total_page), ([], None, 1))
missing = api("metrics.list_metrics").sync_detailed(client=client, page=7)
expect("an error says what is wrong", (missing.status_code, type(missing.parsed)), (404, models.ErrorMessage))
sys.exit(1 if failed else 0)
