"""A stand-in for Microsoft Graph: who is in a group, and what kind of account a person has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from ..faults import Faults
from ..loopback import Json
from ..tokens import TokenService
from ..watching import Changes, Violations
from .places import Group, User, object_id
from .refusals import Limited, misfortune
from .tenant import Tenant

AUDIENCE = "https://graph.microsoft.com"
_DEFAULT_PAGE, _LARGEST_PAGE = 100, 999
#: What Graph sends of a user who is asked for without `$select`: neither kind nor state of the account.
_BY_DEFAULT = ("businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone",
               "officeLocation", "preferredLanguage", "surname", "userPrincipalName")  # fmt: skip
_PERMITS: Mapping[str, frozenset[str]] = {
    "groups": frozenset({"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"}),
    "users": frozenset({"User.Read.All", "Directory.Read.All"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCall:
    """One call as it was answered; `at` is monotonic seconds, `status` 0 when the connection was dropped."""

    path: str
    query: Mapping[str, str]
    status: int
    at: float


class _GraphError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Graph:
    """`GET {url}/groups/{id}`, `.../members`, `.../transitiveMembers`, and `{url}/users/{id or principal name}`.

    Faults: `faults.add(RateLimited(2), on="groups")` or `on="users"`. `page_size` makes pages small (a page may
    be smaller than asked for); `permissions` holds what an administrator has granted to the application.
    `instead` holds bodies that are sent, with status 200, instead of the next answers: nonsense, or other kinds of
    accounts. `forgive()` ends the wait that a 429 asked for.
    """

    def __init__(
        self, tenant: Tenant, tokens: TokenService, violations: Violations, changes: Changes
    ) -> None:
        self.faults = Faults()
        self.calls: list[GraphCall] = []
        self.page_size = _LARGEST_PAGE
        self.instead: list[str] = []
        self.permissions = tokens.roles[AUDIENCE] = {"GroupMember.Read.All", "User.Read.All"}
        self._tenant = tenant
        self._tokens = tokens
        self._violations = violations
        self._changes = changes
        self._limited = Limited(violations)

    def forgive(self) -> None:
        """Whoever was told to wait has waited."""
        self._limited.forget()

    def add_routes(self, app: web.Application) -> None:
        """Listen on this application."""
        app.router.add_route("*", "/graph/v1.0/{kind:groups|users}/{id}{more:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        self._limited.note_impatience("graph", kind)

        async def handle() -> web.Response:
            return self._handled(request)

        answer = await misfortune(self.faults.take(kind), request, handle)
        self._limited.note_answer("graph", kind, answer)
        self.calls.append(
            GraphCall(path=request.path, query=dict(request.query), status=answer.status, at=time.monotonic())
        )
        self._changes.happened()
        return answer

    def _handled(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request, request.match_info["kind"])
            if self.instead:
                return web.Response(text=self.instead.pop(0), content_type="application/json")
            return web.json_response(self._answered(request))
        except _GraphError as error:
            if error.status == 400:
                self._violations.note("graph", f"{request.method} {request.path}: {error.message}")
            body = {"code": error.code, "message": error.message, "innerError": {}}
            return web.json_response({"error": body}, status=error.status)

    def _authenticate(self, request: web.Request, kind: str) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        claims = self._tokens.claims(token) if scheme == "Bearer" else None
        if claims is None or claims["aud"] != AUDIENCE:
            if not self._tokens.expired(token):
                self._violations.note("graph", "no valid bearer token for Graph")
            raise _GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
        if not self.permissions & _PERMITS[kind]:
            raise _GraphError(403, "Authorization_RequestDenied", "Insufficient privileges.")

    def _answered(self, request: web.Request) -> Json:
        kind, id, more = (request.match_info[name] for name in ("kind", "id", "more"))
        match request.method, kind, more.removesuffix("/microsoft.graph.user"):
            case "GET", "users", "":
                return self._selected(request, _user_json(self._user(id)))
            case "GET", "groups", "":
                return self._selected(request, _group_json(self._group(id)))
            case "GET", "groups", "/members":
                found = self._direct(self._group(id))
            case "GET", "groups", "/transitiveMembers":
                found = self._transitive(self._group(id), set())
            case _:
                raise _GraphError(400, "BadRequest", "Resource not found for the segment.")
        entries = list(found)
        if more.endswith("/microsoft.graph.user"):
            entries = [one for one in entries if one["@odata.type"] == "#microsoft.graph.user"]
        return self._paged(request, entries)

    def _user(self, id: str) -> User:
        for user in self._tenant.users.values():
            if id in (user.aad, user.upn) and user.tenant_id == self._tenant.id:
                return user
        raise _GraphError(404, "Request_ResourceNotFound", f"Resource '{id}' does not exist.")

    def _group(self, id: str) -> Group:
        for group in self._tenant.groups.values():
            if group.id == id:
                return group
        raise _GraphError(404, "Request_ResourceNotFound", f"Resource '{id}' does not exist.")

    def _direct(self, group: Group) -> Iterator[Json]:
        for name in group.members:
            if name.startswith("@"):
                yield _group_json(self._tenant.group_named(name))
            elif name.startswith("#"):
                yield {
                    "@odata.type": "#microsoft.graph.device",
                    "id": object_id(name),
                    "displayName": name[1:],
                }
            else:
                yield _user_json(self._tenant.users[name])

    def _transitive(self, group: Group, seen: set[str]) -> Iterator[Json]:
        for entry in self._direct(group):
            if entry["id"] in seen:
                continue
            seen.add(entry["id"])
            yield entry
            if entry["@odata.type"] == "#microsoft.graph.group":
                yield from self._transitive(self._group(entry["id"]), seen)

    def _paged(self, request: web.Request, entries: list[Json]) -> Json:
        top = request.query.get("$top", str(_DEFAULT_PAGE))
        if not top.isdecimal() or not 1 <= int(top) <= _LARGEST_PAGE:
            raise _GraphError(400, "Request_BadRequest", f"Invalid page size specified: '{top}'.")
        token = request.query.get("$skiptoken", "0")
        start = int(token.removeprefix("at-")) if token.removeprefix("at-").isdecimal() else 0
        end = start + min(int(top), self.page_size)
        page: Json = {"value": [self._selected(request, entry) for entry in entries[start:end]]}
        if end < len(entries):
            query = {**request.query, "$skiptoken": f"at-{end}"}
            page["@odata.nextLink"] = str(request.url.with_query(query))
        return page

    def _selected(self, request: web.Request, entry: Json) -> Json:
        wanted = request.query["$select"].split(",") if "$select" in request.query else list(_BY_DEFAULT)
        return {name: value for name, value in entry.items() if name in wanted or name == "@odata.type"}


def _user_json(user: User) -> Json:
    given, _, surname = user.real_name.partition(" ")
    return {
        "@odata.type": "#microsoft.graph.user", "id": user.aad, "displayName": user.real_name, "givenName": given,
        "surname": surname, "mail": user.email, "userPrincipalName": user.upn, "businessPhones": [],
        "jobTitle": None, "mobilePhone": None, "officeLocation": None, "preferredLanguage": None,
        "userType": "Guest" if user.is_guest else "Member", "accountEnabled": user.enabled,
        "externalUserState": "Accepted" if user.is_guest else None,
    }  # fmt: skip


def _group_json(group: Group) -> Json:
    return {"@odata.type": "#microsoft.graph.group", "id": group.id, "displayName": group.handle}
