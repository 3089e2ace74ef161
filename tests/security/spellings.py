# SPDX-License-Identifier: MIT
"""Ways to write an address that a job may not reach: what browsers, resolvers and libraries take for an IPv4 address, the IPv6 addresses
that carry one, and the tricks that make a URL look as if it led elsewhere."""
import ipaddress

FORBIDDEN = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.5.4", "0.0.0.0", "100.64.0.1", "127.255.255.254")
FORBIDDEN_6 = ("::1", "::", "fd00:ec2::254", "fc00::1", "fe80::1", "febf::1", "ff02::1", "100::1", "2001:db8::1", "fec0::1", "5f00::1")
PUBLIC = "8.8.8.8"


def _numbers(value):
    return (str(value), hex(value), hex(value).replace("x", "X").upper().replace("0X", "0X"), f"0{value:o}", f"0000{value:o}",
            f"0x{value:08x}", f"0x0000{value:x}")


def numeric(address):
    """inet_aton's: one to four parts, each decimal, hexadecimal or octal."""
    value = int(ipaddress.IPv4Address(address))
    a, b, c, d = ipaddress.IPv4Address(address).packed
    yield address
    yield from _numbers(value)
    for tail in _numbers(value & 0xFFFFFF):
        yield f"{a}.{tail}"
    for tail in _numbers(value & 0xFFFF):
        yield f"{a}.{b}.{tail}"
    for style in ("%d", "0x%x", "0%o", "00%o", "000000%o", "0x%02x", "0X%X", "0x000%x"):
        yield ".".join(style % part for part in (a, b, c, d))
    yield f"0x{a:x}.{b}.0{c:o}.{d}"
    yield f"{a}.0x{b:x}.{c}.0{d:o}"
    yield f"0{a:o}.{b}.0x{value & 0xFFFF:x}"
    yield f"0x{a:x}.0{value & 0xFFFFFF:o}"


def dressed(address):
    """The same with something around or instead of its characters."""
    yield address + "."
    for user in ("user", "user:password", PUBLIC, f"{PUBLIC}:80", "%40", "a%3a%2f%2f" + PUBLIC, "%00", "x%0d%0aHost:%20evil"):
        yield f"{user}@{address}"
    yield "".join(f"%{ord(char):02x}" for char in address)
    yield address.replace(".", "%2e")
    yield address.replace("1", "%31")
    yield address.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})  # full width
    yield address.translate({**{ord("0"): 0x24EA}, **{ord("1") + digit: 0x2460 + digit for digit in range(9)}})  # circled
    yield address.translate({ord("0") + digit: 0x1D7CE + digit for digit in range(10)})  # mathematical bold
    for dot in ("\u3002", "\uff0e", "\uff61"):
        yield address.replace(".", dot)
    yield f"{address}#@{PUBLIC}"
    yield f"{address}?@{PUBLIC}"
    yield f"{address}/@{PUBLIC}"
    yield f"{address}\\@{PUBLIC}"
    yield f"{PUBLIC}\\@{address}"
    yield f"{PUBLIC}%2f@{address}"
    yield f"{PUBLIC} @{address}"


def as_ipv6(address):
    """IPv6 addresses that carry it."""
    a, b, c, d = ipaddress.IPv4Address(address).packed
    high, low = f"{a:02x}{b:02x}", f"{c:02x}{d:02x}"
    for text in (f"::ffff:{address}", f"::ffff:{high}:{low}", f"0:0:0:0:0:ffff:{high}:{low}", f"0:0:0:0:0:FFFF:{address}",
                 f"0000:0000:0000:0000:0000:ffff:{high}:{low}", f"::{address}", f"::{high}:{low}", f"64:ff9b::{address}",
                 f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::", f"2002:{high}:{low}::1", f"::ffff:0:{address}"):
        yield f"[{text}]"


def hosts():
    """All of them, each once."""
    found = []
    for address in FORBIDDEN:
        found += [*numeric(address), *dressed(address), *as_ipv6(address)]
    for address in FORBIDDEN_6:
        found += [f"[{address}]", f"[{ipaddress.IPv6Address(address).exploded}]", f"user@[{address}]", f"[{address}%25lo]", f"[{address}%lo]"]
    found += ["localhost", "LOCALHOST", "localhost.", "foo.localhost", "private.test", "PRIVATE.test.", "metadata.test", "six.test", "both.test"]
    return list(dict.fromkeys(found))
