"""What the DAGs have in common: a task is a command of cryptoproxy or a job; here is how it is called, tried again, and
told of when it fails. Nothing is read or computed in Airflow itself.

The environment says where things are: ``CRYPTOPROXY`` (the program), ``CRYPTOPROXY_SPARK`` (the Python of the Spark
environment, or `spark-submit …`), ``CRYPTOPROXY_JOBS`` (the folder of the jobs), ``CRYPTOPROXY_REPORTS`` (where files
go), ``CRYPTOPROXY_POSITIONS`` (what is held), and the program's own settings.
"""

from __future__ import annotations

import json
import os
import shlex
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Connection

HERE = Path(__file__).resolve().parent
PROGRAM = os.environ.get("CRYPTOPROXY", "cryptoproxy")
SPARK = os.environ.get("CRYPTOPROXY_SPARK", "python3")
JOBS = os.environ.get("CRYPTOPROXY_JOBS", str(HERE.parents[1]))
REPORTS = os.environ.get("CRYPTOPROXY_REPORTS", "/var/lib/cryptoproxy/reports")
POSITIONS = os.environ.get("CRYPTOPROXY_POSITIONS", "")
"""A YAML file of what is held; without, the report has no portfolio."""
CHANNEL = "cryptoproxy_alerts"
"""The connection with the address that failures, and where the report lies, are posted to: a webhook of Discord, Slack
or anything else."""

TODAY = "{{ dag_run.run_after | ds }}"
YESTERDAY = "{{ macros.ds_add(dag_run.run_after | ds, -1) }}"


def days_ago(count: int) -> str:
    return f"{{{{ macros.ds_add(dag_run.run_after | ds, -{count}) }}}}"


def tell(context: Any) -> None:
    """Posts what failed."""
    task = context["ti"]
    post(f"{task.dag_id}.{task.task_id} failed ({context['dag_run'].run_id})")


def tell_last_line(context: Any) -> None:
    """Posts what a task has said last, which is where its file lies."""
    task = context["ti"]
    post(f"{task.dag_id}.{task.task_id}: {task.xcom_pull(task_ids=task.task_id)}")


def post(words: str) -> None:
    """To the channel, if somebody has made the connection; a failure to tell fails nothing."""
    try:
        url = Connection.get(CHANNEL).get_uri()
    except Exception:  # noqa: BLE001 - none was made: each version of Airflow says so in its own way
        print(f"{words}; no connection {CHANNEL}, so nobody is told")
        return
    body = json.dumps({"content": words, "text": words}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - a person's own
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except OSError as error:
        print(f"{words}; telling it failed: {error}")


def schedule(when: str) -> dict[str, Any]:
    """Of each DAG. A run that was missed is not made up for: its days are looked at again by the next."""
    return {
        "schedule": when,
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["cryptoproxy"],
        "default_args": {
            "retries": int(os.environ.get("CRYPTOPROXY_TASK_RETRIES", "3")),
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": timedelta(hours=6),
            "on_failure_callback": tell,
        },
    }


def command(task_id: str, words: str, *, to: str | None = None, **more: Any) -> BashOperator:
    """``cryptoproxy words``; ``to``: into that file below the reports, which is there whole or not at all."""
    return _task(task_id, f"{PROGRAM} {words}", to, more)


def job(task_id: str, words: str, *, of: str = "spark", to: str | None = None, **more: Any) -> BashOperator:
    """``aggregates --from …``: a file of the jobs' folder with its arguments."""
    name, _, rest = words.partition(" ")
    return _task(task_id, f"{SPARK} {shlex.quote(f'{JOBS}/{of}/{name}.py')} {rest}", to, more)


def report(folder: str, *, told: bool = False) -> BashOperator:
    """The day before for people, as HTML and PDF into that folder below the reports; ``told``: to the channel, too."""
    quality = f'--quality "{REPORTS}/quality/{YESTERDAY}.json"'
    positions = f"--positions {shlex.quote(POSITIONS)}" if POSITIONS else ""
    words = f'report --date {YESTERDAY} --to "{REPORTS}/{folder}" {quality} {positions}'
    return command("report", words, **({"on_success_callback": tell_last_line} if told else {}))


def fails_with_any(dag: Any) -> None:
    """A run's end is that of its last tasks. Where those come whatever failed, this fails with any other."""
    tasks = list(dag.tasks)
    tasks >> BashOperator(
        task_id="none_failed", bash_command="exit 1", trigger_rule="one_failed", retries=0, on_failure_callback=None
    )


def _task(task_id: str, line: str, to: str | None, more: dict[str, Any]) -> BashOperator:
    if to is not None:
        file = f'"{REPORTS}/{to}"'
        # What was said is kept also where it is bad news: a report wants it on just such a day.
        keep = f"if [ -s {file}.new ]; then mv {file}.new {file}; fi"
        line = f'mkdir -p "$(dirname {file})"; code=0; {line} > {file}.new || code=$?; {keep}; echo {file}; exit $code'
    return BashOperator(task_id=task_id, bash_command=f"set -e; {line}", append_env=True, **more)
