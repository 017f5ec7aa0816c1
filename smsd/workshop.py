"""What should run for a configuration, and what each of it is told of the server: gateways, doors, simulators, password sources.

Makes them; when they start and stop is `smsd.keeper`'s and `smsd.service`'s business.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from smsd import registry
from smsd.config.endpoints import files
from smsd.config.places import find_data
from smsd.config.settings import Configuration, LinkSettings
from smsd.core.accounts.digests import Digests
from smsd.core.memory import Memory
from smsd.core.provided import provided
from smsd.hookwork import hooks
from smsd.interfaces import FrontendContext, GatewayContext, SourceContext
from smsd.keeper import Wanted
from smsd.policy.limits import Limits
from smsd.ports import check

if TYPE_CHECKING:
    from smsd.house import House


class Workshop:
    """Makes what a house runs."""

    def __init__(self, house: House, reactor: Any) -> None:
        self._house = house
        self._reactor = reactor
        self._views: dict[str, Any] = {}

    def simulators(self, configuration: Configuration) -> dict[str, Wanted]:
        """Simulated modems and phones."""
        from smsd.simulator import service as simulator

        return {
            settings.id: Wanted((settings,), partial(simulator.make, settings, self._reactor))
            for settings in configuration.simulators
        }

    def gateways(self, configuration: Configuration) -> dict[str, Wanted]:
        """The active gateways, each with what it is told of the server."""
        server = configuration.server
        wanted = {}
        # Those that carry mail first: a modem may bring messages in from its first moment on, and they must find a way.
        every = (*configuration.gateways, *self._house.rulework.errands(configuration), *hooks(configuration))
        for settings in sorted(every, key=lambda each: "mailto" not in each.schemes):
            if settings.active:
                facts = (
                    settings,
                    server.name,
                    server.country,
                    postmaster(configuration),
                    configuration.folder,
                    self._stamp(settings, configuration),
                    tuple(self._told(configuration).values()) if isinstance(settings, LinkSettings) else None,
                )
                wanted[settings.id] = Wanted(facts, partial(self._make_gateway, settings, configuration))
        return wanted

    def _stamp(self, settings: Any, configuration: Configuration) -> Any:
        """What of its files a gateway is made of: those that have changed make it anew."""
        stamp = getattr(registry.find(registry.GATEWAYS, settings.type), "stamp", None)
        return None if stamp is None else stamp(settings, lambda name: find_data(name, configuration.path))

    def _make_gateway(self, settings: Any, configuration: Configuration) -> Any:
        module = registry.find(registry.GATEWAYS, settings.type)
        outlet = Late()
        server = configuration.server
        context = GatewayContext(
            reactor=self._reactor,
            outlet=outlet,
            inbound=self._house.inbound,
            memory=Memory(self._house.store, settings.id),
            server_name=server.name,
            country=settings.country,
            postmaster=postmaster(configuration),
            spool=lambda name: spool(configuration, settings.id, name),
            find_data=lambda name: find_data(name, configuration.path),
            databases=self._house.rulework.databases,
            find_account=self._house.accounts.find,
            find_jid=self._house.accounts.directory.of_jid,
            door=self._door_context(self._reactor, self._told(configuration))
            if isinstance(settings, LinkSettings)
            else None,
        )
        gateway = module.make(settings, context)
        limits = settings.limits and Limits(**settings.limits.model_dump())
        outlet.real = self._house.queue.outlet(
            settings.id, gateway.abilities, settings.in_doubt, settings.country, limits
        )
        outlet.real.gateway = gateway
        return gateway

    def _told(self, configuration: Configuration) -> dict[str, Any]:
        """What doors are told of the server."""
        server = configuration.server
        pins = {
            gateway.id: gateway.pin.get_secret_value()
            for gateway in configuration.gateways
            if gateway.active and gateway.pin is not None
        }
        return {
            "server_name": server.name,
            "domains": frozenset(server.domains),
            "gateways": nameable(configuration),
            "sms_gateways": nameable(configuration, "sms"),
            "deliver_pins": pins,
            "country": server.country,
            "percent_logins": server.percent_logins,
            "providers": provided(configuration.gateways, lambda name: find_data(name, configuration.path)),
        }

    def doors(self, configuration: Configuration) -> dict[str, Wanted]:
        """The active listeners, each with what it is told of the server."""
        told = self._told(configuration)
        return {
            settings.id: Wanted(
                (settings, tuple(told.values()), stamps(settings.listen)),
                partial(self._make_door, settings, told),
            )
            for settings in configuration.listeners
            if settings.active
        }

    def _make_door(self, settings: Any, told: dict[str, Any]) -> Any:
        check(self._reactor, settings.listen)
        view = self._house.ports.view()
        context = self._door_context(view, told)
        door = registry.find(registry.DOORS, settings.type).make(settings, context)
        self._views[door] = view
        return door

    def _door_context(self, reactor: Any, told: dict[str, Any]) -> FrontendContext:
        return FrontendContext(
            reactor=reactor,
            dispatcher=self._house.dispatcher,
            inbound=self._house.inbound,
            portal=self._house.accounts.portal,
            guessing=self._house.accounts.guessing,
            auditor=self._house.auditor,
            post_office=self._house.answer_office,
            reports=self._house.queue.reports,
            carries=self._house.carries,
            callbacks=self._house.callbacks,
            jobs=self._house.jobs,
            credit=self._house.credit,
            clerk=self._house.clerk,
            tokens=self._house.tokens,
            digests=Digests(self._house.accounts),
            **told,
        )

    def sources(self, configuration: Configuration) -> list[Any]:
        """The active sources of passwords."""
        context = SourceContext(self._reactor, configuration.server.name)
        return [
            registry.find(registry.SOURCES, settings.type).make(settings, context)
            for settings in configuration.password_sources
            if settings.active
        ]

    def retire(self, door: Any) -> None:
        """A door has been replaced: it accepts nothing more, and its connections live on."""
        self._views.pop(door).retire()


class Late:
    """An outlet that exists before its gateway's abilities are known; gateways speak to it only after their start."""

    real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def takers(configuration: Configuration) -> list[Any]:
    """Everything that takes messages from people: listeners, and links among the gateways."""
    return [
        *configuration.listeners,
        *(gateway for gateway in configuration.gateways if isinstance(gateway, LinkSettings)),
    ]


def nameable(configuration: Configuration, scheme: str = "") -> frozenset[str]:
    """What may stand behind an @, or be a message's `id`: gateways (those of a scheme only) and groups."""
    gateways = (
        gateway.id
        for gateway in configuration.gateways
        if gateway.active and (not scheme or scheme in gateway.schemes)
    )
    return frozenset((*gateways, *(group.id for group in configuration.groups)))


def postmaster(configuration: Configuration) -> str:
    """The administrator's mailbox."""
    return configuration.server.postmaster or f"postmaster@{configuration.server.name}"


def stamps(listen: list[str]) -> tuple[tuple[str, int], ...]:
    """The certificate files of endpoints with their times: a renewed certificate is a changed listener."""
    found = {path for text in listen for path in files(text)}
    return tuple((path, os.stat(path).st_mtime_ns) for path in sorted(found))


def authorities(configuration: Configuration) -> tuple[tuple[str, int], ...]:
    """The files of authorities of password sources, the same."""
    found = {getattr(settings, "ca", None) for settings in configuration.password_sources}
    return tuple((path, os.stat(path).st_mtime_ns) for path in sorted(path for path in found if path))


def spool(configuration: Configuration, gateway: str, name: str) -> str:
    """The path of a gateway's own file; its folder exists afterwards."""
    folder = os.path.join(configuration.folder, "gateways", gateway)
    os.makedirs(folder, mode=0o750, exist_ok=True)
    return os.path.join(folder, name)
