"""Frames made and read byte by byte, so that no kernel's idea of a socket stands between the proof and the wire."""

from __future__ import annotations

import socket
import struct
from functools import cache
from typing import NamedTuple

MARK = b"dvis"
TCP, UDP, ICMP4, ICMP6 = 6, 17, 1, 58
ECHO = {4: 8, 6: 128}
ERRORS = {4: {3, 11, 12}, 6: {1, 2, 3, 4}}
SYN, SYN_FIN, SYN_ACK, PUSH_ACK = 0x02, 0x03, 0x12, 0x18
ETHERTYPE = {4: 0x0800, 6: 0x86DD}


class Seen(NamedTuple):
    """What was read from a frame."""

    mark: int  # number of the packet that it is, quotes or answers; -1 for none
    error: bool  # an ICMP error that quotes it
    family: int
    source: str
    target: str
    protocol: int
    source_port: int
    target_port: int
    kind: int  # ICMP type, or TCP flags


@cache
def packed(address: str) -> bytes:
    """Return an address as bytes."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@cache
def mac(text: str) -> bytes:
    """Return a MAC address as bytes."""
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(memoryview(data).cast("H"))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return socket.htons(~total & 0xFFFF)


def payload(mark: int) -> bytes:
    """Return the data by which a packet is recognised."""
    return MARK + mark.to_bytes(4, "big")


def transport(
    way: tuple[str, str],
    protocol: str,
    ports: tuple[int, int],
    flags: int,
    data: bytes,
    *,
    place: tuple[int, int] | None = None,
) -> tuple[int, bytes]:
    """Return protocol number and segment, with its checksum; for icmp an echo request whose id is the source port.

    :param place: sequence and acknowledgement number of a TCP segment; without it, those of a first one.
    """
    (source, target), (near, far) = way, ports
    family = 6 if ":" in source else 4
    if protocol == "tcp":
        sequence, acknowledged = place or (near, 0)
        head, at = struct.pack("!HHIIBBHHH", near, far, sequence, acknowledged, 0x50, flags, 64000, 0, 0), 16
        code = TCP
    elif protocol == "udp":
        head, at, code = struct.pack("!HHHH", near, far, 8 + len(data), 0), 6, UDP
    else:
        head, at = struct.pack("!BBHHH", ECHO[family], 0, 0, near, 1), 2
        code = ICMP4 if family == 4 else ICMP6
    body = bytearray(head + data)
    pseudo = b"" if code == ICMP4 else _pseudo(source, target, code, len(body))
    struct.pack_into("!H", body, at, checksum(pseudo + bytes(body)) or 0xFFFF)
    return code, bytes(body)


def _pseudo(source: str, target: str, code: int, length: int) -> bytes:
    shape = "!BBH" if ":" not in source else "!IHBB"
    tail = struct.pack(shape, 0, code, length) if ":" not in source else struct.pack(shape, length, 0, 0, code)
    return packed(source) + packed(target) + tail


def packet(source: str, target: str, code: int, body: bytes, hops: int = 64) -> bytes:
    """Return an IP packet."""
    if ":" in source:
        return struct.pack("!IHBB", 0x60000000, len(body), code, hops) + packed(source) + packed(target) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, hops, code, 0) + packed(source) + packed(target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frame(near: str, far: str, family: int, data: bytes) -> bytes:
    """Return an Ethernet frame from one MAC address to another."""
    return mac(far) + mac(near) + ETHERTYPE[family].to_bytes(2, "big") + data


def too_big(family: int, source: str, target: str, original: bytes) -> tuple[int, bytes]:
    """Return the error that path MTU discovery lives from, quoting a packet."""
    if family == 4:
        body = bytearray(struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + original)
        struct.pack_into("!H", body, 2, checksum(bytes(body)))
        return ICMP4, bytes(body)
    body = bytearray(struct.pack("!BBHI", 2, 0, 0, 1300) + original)
    struct.pack_into("!H", body, 2, checksum(_pseudo(source, target, ICMP6, len(body)) + bytes(body)))
    return ICMP6, bytes(body)


def unreachable(family: int, source: str, target: str, original: bytes) -> tuple[int, bytes]:
    """Return the error that says that nobody listens at a port, quoting a packet."""
    body = bytearray((b"\3\3" if family == 4 else b"\1\4") + bytes(6) + original)
    pseudo = b"" if family == 4 else _pseudo(source, target, ICMP6, len(body))
    struct.pack_into("!H", body, 2, checksum(pseudo + bytes(body)))
    return (ICMP4 if family == 4 else ICMP6), bytes(body)


def neighbour_question(source: str, target: str, near: str) -> tuple[int, bytes]:
    """Return a neighbour solicitation (RFC 4861) for an address; from ``::`` it is duplicate address detection."""
    option = b"" if source == "::" else b"\x01\x01" + mac(near)
    body = bytearray(struct.pack("!BBHI", 135, 0, 0, 0) + packed(target) + option)
    goal = solicited(target)
    struct.pack_into("!H", body, 2, checksum(_pseudo(source, goal, ICMP6, len(body)) + bytes(body)))
    return ICMP6, bytes(body)


def solicited(target: str) -> str:
    """Return the solicited-node multicast address (RFC 4291, 2.7.1)."""
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + packed(target)[13:])


def read(data: bytes) -> Seen | None:
    """Return what a frame holds; None for what isn't IP or is too short."""
    kind = int.from_bytes(data[12:14], "big")
    if kind == ETHERTYPE[4] and len(data) >= 42:
        family, protocol, at = 4, data[23], 14 + (data[14] & 15) * 4
        source, target = (socket.inet_ntop(socket.AF_INET, data[i : i + 4]) for i in (26, 30))
    elif kind == ETHERTYPE[6] and len(data) >= 62:
        family, protocol, at = 6, data[20], 54
        source, target = (socket.inet_ntop(socket.AF_INET6, data[i : i + 16]) for i in (22, 38))
    else:
        return None
    icmp = protocol in {ICMP4, ICMP6}
    near, far = (0, 0) if icmp else struct.unpack_from("!HH", data, at)
    detail = data[at] if icmp else data[at + 13] if protocol == TCP and len(data) > at + 13 else 0
    mark = int.from_bytes(data[-4:], "big") if data[-8:-4] == MARK else -1
    return Seen(mark, icmp and detail in ERRORS[family], family, source, target, protocol, near, far, detail)
