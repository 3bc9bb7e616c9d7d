"""From a command to the action a reviewer can judge: who and what it touches, with facts and doubts from the back office."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ...approvals.action import Action, Entity, Evidence
from ...approvals.credential import CredentialRef
from ...approvals.errors import BadChange
from ..effect import Effect
from .backoffice import BackOffice, Kind
from .commands import FORMS, Command, Value, spell
from .planner import Reading
from .records import AlreadySo, Customer, Message, NotFound, NotPossible, Order, RefundTooHigh, WrongCurrency

#: How sure the agent is of a plan that it has no doubts about, and of one that it has.
SURE, IN_DOUBT = 0.9, 0.62

#: What a person can name of each tool's arguments; the agent finds the others.
_SAID: Mapping[str, tuple[str, ...]] = {form.tool: tuple(form.readers) for form in FORMS}

#: How much of a customer's message stands on a card, in characters.
QUOTE = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What one kind of command comes to; `arguments` are all that its tool takes."""

    arguments: Mapping[str, Value]
    goal: str
    summary: str
    reasoning: str
    targets: tuple[Entity, ...]
    evidence: tuple[Evidence, ...] = ()
    scope: str = ""
    unsure: str = ""


class Proposer:
    """Looks up what a reviewer has to know. It only reads."""

    def __init__(
        self, office: BackOffice, tools: tuple[Effect, ...], credential: CredentialRef | None
    ) -> None:
        """`credential`: under whose authority the tools that change something run."""
        self._office = office
        self._tools = {tool.name: tool for tool in tools}
        self._credential = credential
        self._drafts: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Draft]]] = {
            "look_up_order": self._look_up,
            "issue_refund": self._refund,
            "delete_inactive_customers": self._deletion,
            "grant_role": self._grant,
            "email_customer": self._email,
            "draft_email": self._drafting,
            "close_firewall_rule": self._closing,
        }

    async def action(self, reading: Reading, doubt: str = "") -> Action:
        """The action of this command.

        Args:
            doubt: What the agent is unsure of beforehand.

        Raises: BackOfficeError, when it names what is not there or a rule of the business forbids it.
        """
        command = reading.command
        draft = await self._drafts[command.tool](command.arguments)
        unsure = "; ".join(filter(None, (doubt, draft.unsure, _guessed(reading))))
        reads_only = command.tool == "look_up_order"
        tool = self._tools[command.tool]
        action = Action(
            tool=tool.name, arguments=tool.freeze(draft.arguments), category=tool.category,
            goal=draft.goal, summary=draft.summary, reasoning=draft.reasoning,
            targets=draft.targets, evidence=draft.evidence, scope=draft.scope, unsure=unsure,
            confidence=reading.confidence if reads_only else min(reading.confidence, IN_DOUBT if unsure else SURE),
        )  # fmt: skip
        return action if reads_only else replace(action, credential=self._credential)

    def changed(self, tool: str, arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> Command:
        """The command that these arguments of the tool come to after what a reviewer typed. Raises: BadChange."""
        made = self._tools[tool]
        derived = {name: f"the agent finds the {name} itself" for name in changes if name not in _SAID[tool]}
        if derived:
            raise BadChange(derived)
        whole = made.thaw(made.freeze({**arguments, **changes}))
        return Command(tool=tool, arguments={name: whole[name] for name in _SAID[tool]})

    async def _look_up(self, said: Mapping[str, Any]) -> Draft:
        order = await self._office.order(said["order"])
        return Draft(
            arguments=said, goal=f"Say what is known about order {order.number}",
            summary=f"Look up order {order.number}", reasoning="It was asked for, and it changes nothing.",
            targets=(self._order(order),),
        )  # fmt: skip

    async def _refund(self, said: Mapping[str, Any]) -> Draft:
        order = await self._office.order(said["order"])
        amount, currency = Decimal(said["amount"]), said.get("currency", order.currency)
        if currency != order.currency:
            raise WrongCurrency(f"Order {order.number} was paid in {order.currency}, not in {currency}.")
        if amount > order.refundable:
            raise RefundTooHigh(order, amount)
        buyer = await self._buyer(order)
        who = buyer.name if buyer else "a deleted customer"
        letters = await self._office.messages_about(order.number)
        doubts = () if letters else ("the customer has not written about this order",)
        return Draft(
            arguments={"order": order.number, "amount": amount, "currency": currency},
            goal=f"Settle the complaint of {who} about order {order.number}" if letters else f"Refund order {order.number} as asked",
            summary=f"Refund {amount} {currency} to {who} for order {order.number}",
            reasoning=_why_refund(order, amount, letters),
            targets=(self._order(order), *await self._customers(buyer)),
            evidence=(*self._letters(letters), self._record(order)),
            unsure="; ".join((*await self._look_alikes(order), *doubts)),
        )  # fmt: skip

    async def _deletion(self, said: Mapping[str, Any]) -> Draft:
        before: date = said["before"]
        scope = await self._office.deletion_scope(before)
        if not scope.count:
            raise NotPossible(f"No customer was last active before {before}, so there is nothing to delete.")
        more = ", ..." if scope.count > len(scope.names) else ""
        facts = {
            "how many": f"{scope.count} of {scope.customers} customers",
            "first of them": ", ".join(scope.names) + more,
            "paid in their lives": f"{scope.lifetime_value:,} USD",
            "orders still on their way": str(scope.open_orders),
        }
        on_the_way = (
            f"{scope.open_orders} of their orders are still on their way" if scope.open_orders else ""
        )
        return Draft(
            arguments=said, goal="Keep no records of customers who have long been inactive",
            summary=f"Delete {scope.count} customers who were last active before {_day(before)}",
            reasoning=f"It was asked for. {scope.count} customers match now; their orders stay, without a name.",
            targets=(Entity("customers", f"inactive before {before}", facts=facts),),
            scope=f"{scope.count} customers", unsure=on_the_way,
        )  # fmt: skip

    async def _grant(self, said: Mapping[str, Any]) -> Draft:
        user = await self._office.user(said["user"])
        role, system = said["role"], said["system"]
        purpose = await self._office.system_description(system)
        grants = await self._office.grants_of(user.id)
        if any((grant.role, grant.system) == (role, system) for grant in grants):
            raise AlreadySo(f"{user.name} (user {user.id}) is already {role} on {system}.")
        holds = ", ".join(f"{grant.role} on {grant.system}" for grant in grants) or "nothing"
        return Draft(
            arguments=said, goal=f"Let {user.name} work on {system} as {role}",
            summary=f"Grant {role} on {system} to {user.name}",
            reasoning=f"It was asked for. {user.name} of {user.team} holds: {holds}.",
            targets=(
                Entity("user", str(user.id), self._office.link(Kind.USER, user.id),
                       {"team": user.team, "e-mail": user.email, "holds now": holds}, user.name),
                Entity("system", system, self._office.link(Kind.SYSTEM, system), {"purpose": purpose}),
            ),
        )  # fmt: skip

    async def _email(self, said: Mapping[str, Any]) -> Draft:
        order = await self._office.order(said["order"])
        buyer = await self._office.customer_of_order(order.number)
        letters = await self._office.messages_about(order.number)
        return Draft(
            arguments={"order": order.number, "to": buyer.email, "text": said["text"]},
            goal=f"Tell {buyer.name} about order {order.number}",
            summary=f"E-mail {buyer.name} about order {order.number}",
            reasoning=f"It was asked for, in these words. It goes to the address of the customer of order {order.number}.",
            targets=(self._order(order), *await self._customers(buyer)), evidence=self._letters(letters),
        )  # fmt: skip

    async def _drafting(self, said: Mapping[str, Any]) -> Draft:
        """The same letter, kept and not sent."""
        letter = await self._email(said)
        summary = letter.summary.replace("E-mail", "Draft an e-mail to", 1)
        reasoning = (
            "It was asked for, in these words. Nothing is sent; that is asked about when it comes to it."
        )
        return replace(letter, summary=summary, reasoning=reasoning)

    async def _closing(self, said: Mapping[str, Any]) -> Draft:
        rule = await self._office.firewall_rule(said["rule"])
        if rule.closed_at is not None:
            raise AlreadySo(f"Firewall rule {rule.name} is already closed.")
        facts = {
            "what for": rule.description, "port": str(rule.port), "open to": rule.source,
            "used in the last day": f"{rule.hits_last_day:,} times",
        }  # fmt: skip
        in_use = f"it was used {rule.hits_last_day:,} times in the last day" if rule.hits_last_day else ""
        return Draft(
            arguments=said, goal=f"Close the opening {rule.name} to the outside",
            summary=f"Close firewall rule {rule.name}", reasoning=f"It was asked for. {rule.description}",
            targets=(Entity("firewall rule", rule.name, self._office.link(Kind.FIREWALL_RULE, rule.name), facts),),
            unsure=in_use,
        )  # fmt: skip

    async def _buyer(self, order: Order) -> Customer | None:
        try:
            return await self._office.customer_of_order(order.number)
        except NotFound:
            return None

    async def _look_alikes(self, order: Order) -> tuple[str, ...]:
        """Orders of the same customer that a person could have meant as well."""
        if order.customer is None:
            return ()
        same = [other for other in await self._office.orders_of(order.customer) if other.items == order.items]
        if len(same) < 2:
            return ()
        position = "the latest" if same[0].number == order.number else "not the latest"
        return (f"{len(same)} orders of this customer are for {order.items}; {order.number} is {position}",)

    def _order(self, order: Order) -> Entity:
        facts = {
            "items": order.items,
            "paid": f"{order.paid} {order.currency} on {_day(order.paid_on)}",
            "delivered": _day(order.delivered_on) if order.delivered_on else "not yet",
            "refunded so far": f"{order.refunded} {order.currency}",
        }
        return Entity("order", str(order.number), self._office.link(Kind.ORDER, order.number), facts)

    async def _customers(self, buyer: Customer | None) -> tuple[Entity, ...]:
        if buyer is None:
            return ()
        facts = {
            "e-mail": buyer.email,
            "lifetime": f"{buyer.lifetime_value:,} USD ({buyer.tier})",
            "refunds in 90 days": str(len(await self._office.recent_refunds(buyer.id))),
            "last contact": _day(buyer.last_active),
        }
        link = self._office.link(Kind.CUSTOMER, buyer.id)
        return (Entity("customer", str(buyer.id), link, facts, buyer.name),)

    def _letters(self, letters: tuple[Message, ...]) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(
                f"customer's message of {_day(letter.at.date())}: “{_clip(letter.text)}”",
                self._office.link(Kind.ORDER, letter.order),
            )
            for letter in letters[:3]
        )

    def _record(self, order: Order) -> Evidence:
        return Evidence(f"record of order {order.number}", self._office.link(Kind.ORDER, order.number))


def _why_refund(order: Order, amount: Decimal, letters: tuple[Message, ...]) -> str:
    wrote = (
        f"The customer wrote on {_day(letters[0].at.date())}: “{_clip(letters[0].text)}” " if letters else ""
    )
    share = "all" if amount == order.refundable else "part"
    return f"{wrote}It is {share} of the {order.refundable} {order.currency} that are left of the price."


def _guessed(reading: Reading) -> str:
    if reading.confidence >= SURE:
        return ""
    return f"your words were read by a language model as: {spell(reading.command)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _clip(text: str) -> str:
    return text if len(text) <= QUOTE else f"{text[:QUOTE]}..."
