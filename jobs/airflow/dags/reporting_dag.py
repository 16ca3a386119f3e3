"""Each morning: what the day before was like, in files; a report of it for people, told of where it lies and mailed."""

from __future__ import annotations

from airflow.sdk import DAG
from mailing import TO, mail
from steps import TODAY, YESTERDAY, command, days_ago, report, schedule

FOLDER = f"daily/{YESTERDAY}"
SPAN = f"--source all --since {YESTERDAY} --until {TODAY}"

with DAG("reporting_dag", **schedule("0 8 * * *"), doc_md=__doc__) as dag:
    for name, words in (
        ("averages", f"average --field price --top 50 {SPAN}"),
        ("moves", f"moves --top 50 {SPAN}"),
        ("volatility", f"volatility --window 1h {SPAN}"),
        ("sentiment", f"sentiment --source all --interval 1h --since {days_ago(7)} --until {TODAY}"),
    ):
        command(name, f"query {words} --json", to=f"{FOLDER}/{name}.json")
    command("dead_letters", "dead-letters list -n 200", to=f"{FOLDER}/dead-letters.txt")
    made = report(FOLDER, told=True)
    if TO:
        made >> mail(FOLDER)
