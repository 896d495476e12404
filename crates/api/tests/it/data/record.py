#!/usr/bin/env python3
"""Asks a Prometheus that holds series.om every request of cases.jsonl and writes its answers beside the requests.

    promtool tsdb create-blocks-from openmetrics series.om data
    prometheus --config.file=empty.yml --storage.tsdb.path=data --storage.tsdb.retention.time=20y \
        --web.listen-address=127.0.0.1:19091
    ./record.py http://127.0.0.1:19091

A case with "ours" answers differently on purpose (the reason stands there) and keeps the answer written by hand.
"""

import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

server = sys.argv[1].rstrip("/")
file = pathlib.Path(__file__).parent / "cases.jsonl"
lines = []
for line in file.read_text().splitlines():
    case = json.loads(line)
    if "ours" not in case:
        form = case.get("form")
        request = urllib.request.Request(
            server + case["path"],
            method=case.get("method", "POST" if form is not None else "GET"),
            data=form.encode() if form is not None else None,
            headers=case.get("headers", {}),
        )
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read().decode()
        case["status"] = answer.status
        case.pop("json", None)
        case.pop("text", None)
        if answer.headers.get("content-type", "").startswith("application/json"):
            case["json"] = json.loads(text)
        else:
            case["text"] = text
    lines.append(json.dumps(case, ensure_ascii=False))
file.write_text("\n".join(lines) + "\n")
print(len(lines), "cases")
