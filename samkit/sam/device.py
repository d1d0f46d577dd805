"""Devices by name, as `samkit.ops.devices` knows them."""

from samkit.ops.devices import devices_here, find_device

__all__ = ["devices_here", "find_device"]
