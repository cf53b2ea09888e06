"""The record of a QoS policy of a host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class QosPolicy:
    """What New-NetQosPolicy stores; a port of 0 is any, a rate of 0 is without limit."""

    name: str
    protocol: str = "Both"
    destination_port_start: int = 0
    destination_port_end: int = 0
    bits_per_second: int = 0
    precedence: int = 127
    network_profile: str = "All"
