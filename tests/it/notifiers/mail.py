"""A real mail server (aiosmtpd) for one test: STARTTLS and a login are demanded; each mail is a line of JSON."""
import asyncio, json, ssl, sys
from email import message_from_bytes, policy
from aiosmtpd.smtp import SMTP, AuthResult

class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": mail["subject"],
                          "text": mail.get_content(), "tls": session.ssl is not None}), flush=True)
        return "250 OK"

def login(server, session, envelope, mechanism, data):
    good = data.login == b"amalgam" and data.password == b"hunter2"
    return AuthResult(success=good, handled=False)

async def main(certificate, key):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    smtp = lambda: SMTP(Handler(), tls_context=tls, require_starttls=True, auth_required=True, authenticator=login)
    server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main(*sys.argv[1:]))
