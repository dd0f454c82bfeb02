"""The certificate of the TLS cases, and what every connection of theirs must negotiate."""

import re
import ssl
import subprocess
from pathlib import Path

from .processes import BenchError

#: Git ignores it.
FOLDER = Path(__file__).resolve().parent.parent / ".run"
CERTIFICATE, KEY = FOLDER / "tls.pem", FOLDER / "tls.key"
NAME = "localhost"
#: What all clients offer, and nothing else: loadtest/conf/openssl.cnf, loadtest/handshakes.
VERSION, SUITE, GROUP = "TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519"
DAY_SECONDS = 86_400


def make_if_missing():
    """A certificate with a P-256 key that issued itself; anew when it is about to expire."""
    if CERTIFICATE.exists() and KEY.exists() and _is_good_for_a_day():
        return
    FOLDER.mkdir(exist_ok=True)
    new = [path.with_suffix(f"{path.suffix}.new") for path in (KEY, CERTIFICATE)]
    arguments = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    arguments += ["-nodes", "-sha256", "-days", "365", "-keyout", new[0], "-out", new[1]]
    arguments += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    arguments += ["-addext", "basicConstraints=critical,CA:FALSE"]
    done = _openssl(arguments)
    if done.returncode != 0:
        raise BenchError(f"no certificate could be made: {done.stderr.strip()[-500:]}")
    new[0].chmod(0o600)
    for made, path in zip(new, (KEY, CERTIFICATE)):
        made.replace(path)


def _is_good_for_a_day():
    check = ["openssl", "x509", "-noout", "-in", CERTIFICATE, "-checkend", str(DAY_SECONDS)]
    return _openssl(check).returncode == 0


def check_negotiated(label, port):
    """Fails unless OpenSSL's clients, which wrk and h2load are, get what the comparison is of."""
    arguments = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME]
    done = _openssl([*arguments, "-CAfile", CERTIFICATE, "-verify_return_error"])
    found = parse_negotiated(done.stdout)
    wanted = {"version": VERSION, "suite": SUITE, "group": GROUP, "key": "ECDSA"}
    if found != wanted:
        said = done.stderr.strip()[-500:]
        raise BenchError(f"{label} negotiates {found} and not {wanted}: {said}")


def parse_negotiated(output):
    """What `openssl s_client` has agreed on; None for what it does not say."""
    patterns = {
        "version": r"^New, (\S+), Cipher is",
        "suite": r"Cipher is (\S+)$",
        "group": r"^Server Temp Key: (\w+)",
        "key": r"^Peer signature type: (\w+)",
    }
    found = {key: re.search(pattern, output, re.MULTILINE) for key, pattern in patterns.items()}
    return {key: one and one[1] for key, one in found.items()}


def _openssl(arguments):
    try:
        return subprocess.run(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except FileNotFoundError:
        raise BenchError("openssl is not installed") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(map(str, arguments[:2]))} did not end in time") from None


def client_context():
    """For connections of this script; which suite they offer is loadtest/conf/openssl.cnf's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CERTIFICATE)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
