"""A mailbox for tests: aiosmtpd on a free loopback port. Says the port, then each mail as a line of JSON."""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

MODE, CERTIFICATE, KEY = sys.argv[1:4]


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 no such mailbox"
        if address.startswith("later@"):
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or MODE == "implicit",
            "authenticated": session.authenticated,
            "subject": str(mail["subject"]),
            "id": str(mail["message-id"]),
            "date": mail["date"].datetime.timestamp(),
            "automatic": str(mail["auto-submitted"]),
            "plain": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


def admit(server, session, envelope, mechanism, data):
    # Not handled: aiosmtpd is to say 535 itself.
    return AuthResult(success=(data.login, data.password) == (b"daemon", b"open sesame"), handled=False)


async def main():
    tls = None
    if MODE != "none":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE, KEY)
    settings = {"authenticator": admit, "auth_require_tls": False}
    if MODE == "starttls":
        settings |= {"tls_context": tls, "require_starttls": True, "auth_require_tls": True, "auth_required": True}
    make = lambda: SMTP(Mailbox(), hostname="mailbox", **settings)
    implicit = tls if MODE == "implicit" else None
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
