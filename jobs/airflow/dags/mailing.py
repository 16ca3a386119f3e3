"""The day's report as a mail, by a server that an Airflow connection names: words, and both files attached.

A task of its own: a server that is away is tried again, and a report that nobody got is told as every failure.
"""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import Connection
from steps import REPORTS

TO = os.environ.get("CRYPTOPROXY_MAIL_TO", "")
"""Addresses, with commas between; without, nothing is mailed."""
SERVER = "cryptoproxy_mail"
"""The connection with the server, and with ``from`` among its extras: ``smtp://user:password@host:587/?from=…``."""
OF_TLS = 465
SECONDS = 60


def mail(folder: str) -> PythonOperator:
    """What the task ``report`` has put into that folder below the reports; its last line is what the mail says."""
    words = "{{ ti.xcom_pull(task_ids='report') }}"
    return PythonOperator(task_id="mail", python_callable=send, op_args=[f"{REPORTS}/{folder}", words])


def send(folder: str, words: str) -> None:
    """
    Raises:
        ValueError: a password would go over the wire in the clear.
    """
    server, path = Connection.get(SERVER), Path(folder)
    message = EmailMessage()
    message["From"] = server.extra_dejson.get("from") or server.login
    message["To"] = TO
    message["Subject"] = f"Report of {words.partition(': ')[0]}"
    message.set_content(f"{words}\n")
    for name, kind in (("report.html", ("text", "html")), ("report.pdf", ("application", "pdf"))):
        message.add_attachment((path / name).read_bytes(), maintype=kind[0], subtype=kind[1], filename=name)
    with _opened(server.host, server.port or 587) as smtp:
        if server.login:
            if not isinstance(smtp.sock, ssl.SSLSocket):
                raise ValueError(f"{server.host} offers no TLS: the password of {SERVER} is not sent in the clear")
            smtp.login(server.login, server.password or "")
        smtp.send_message(message)


def _opened(host: str, port: int) -> smtplib.SMTP:
    """Encrypted, where the server can."""
    context = ssl.create_default_context()
    if port == OF_TLS:
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
    smtp = smtplib.SMTP(host, port, timeout=SECONDS)
    smtp.ehlo()
    if smtp.has_extn("starttls"):
        smtp.starttls(context=context)
    return smtp
