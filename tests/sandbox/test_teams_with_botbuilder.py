"""A real botbuilder bot against the stand-in: what we send is what Microsoft's SDK understands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from aiohttp import web
from botbuilder.core import CloudAdapterBase, TurnContext
from botbuilder.schema import Activity, ConversationParameters, InvokeResponse
from botframework.connector.auth import BotFrameworkAuthenticationFactory, ServiceClientCredentialsFactory
from msal import ConfidentialClientApplication
from msrest.authentication import Authentication
from sayso.sandbox import Workplace
from sayso.sandbox.teams.limits import CARD_TYPE
from tiny_bot import a_card, card_answer, execute

ASK, DONE = (
    a_card(actions=[execute("Approve", "approve")]),
    a_card({"type": "TextBlock", "text": "Approved."}),
)


class Credentials(Authentication):
    """Tokens from one msal application, fetched as botbuilder fetches them: blocking."""

    def __init__(self, app: ConfidentialClientApplication, scope: str) -> None:
        super().__init__()
        self._app, self._scope = app, scope

    def signed_session(self, session: Any = None) -> Any:
        session = session or requests.Session()
        granted = self._app.acquire_token_for_client([self._scope])
        session.headers["Authorization"] = f"Bearer {granted['access_token']}"
        return session


class CredentialsFactory(ServiceClientCredentialsFactory):  # type: ignore[misc]
    """One msal application for all."""

    def __init__(self, workplace: Workplace, http: requests.Session) -> None:
        self._scope, self._app_id = workplace.teams.scope, workplace.tokens.client_id
        self._app = ConfidentialClientApplication(
            workplace.tokens.client_id, authority=workplace.tokens.authority, instance_discovery=False,
            client_credential=workplace.tokens.client_secret, http_client=http,
        )  # fmt: skip

    async def is_valid_app_id(self, app_id: str) -> bool:
        return app_id == self._app_id

    async def is_authentication_disabled(self) -> bool:
        return False

    async def create_credentials(self, *_: Any, **__: Any) -> Credentials:
        return Credentials(self._app, self._scope)


class Bot:
    """Answers a mention with a card in a new thread, and a click with another card."""

    def __init__(self, workplace: Workplace, http: requests.Session) -> None:
        teams = workplace.teams
        self._teams = teams
        self.adapter = CloudAdapterBase(BotFrameworkAuthenticationFactory.create(
            validate_authority=True, to_channel_from_bot_login_url=workplace.tokens.authority,
            to_channel_from_bot_oauth_scope=teams.scope, to_bot_from_channel_token_issuer=teams.issuer,
            oauth_url=workplace.tokens.url, credential_factory=CredentialsFactory(workplace, http),
            to_bot_from_channel_open_id_metadata_url=teams.open_id_metadata_url,
            to_bot_from_emulator_open_id_metadata_url=teams.emulator_metadata_url,
        ))  # fmt: skip

    async def handle(self, request: web.Request) -> web.Response:
        activity = Activity.deserialize(json.loads(await request.read()))
        header = request.headers["Authorization"]
        answer = await self.adapter.process_activity(header, activity, self.on_turn)
        return web.Response(status=202) if answer is None else web.json_response(answer.body)

    async def on_turn(self, turn: TurnContext) -> None:
        if turn.activity.type == "invoke":
            answer = InvokeResponse(status=200, body=card_answer(DONE))
            await turn.send_activity(Activity(type="invokeResponse", value=answer))
            return
        card = Activity(
            type="message", summary="Refund?", attachments=[{"contentType": CARD_TYPE, "content": ASK}]
        )
        data = turn.activity.channel_data
        await self.adapter.create_conversation(
            self._teams.app_id, self.posted, ConversationParameters(
                is_group=True, bot=turn.activity.recipient, tenant_id=data["tenant"]["id"], activity=card,
                channel_data={"channel": data["channel"], "tenant": data["tenant"]},
            ), "msteams", turn.activity.service_url,
        )  # fmt: skip

    async def posted(self, turn: TurnContext) -> None:
        """Says so in the thread it has just begun."""
        await turn.send_activity("Please decide.")


@pytest.fixture
async def bot(workplace: Workplace) -> AsyncIterator[None]:
    """The SDK's adapter behind `/api/messages`."""
    with requests.Session() as http:
        http.verify, http.trust_env = workplace.tokens.ca_file, False
        server = web.Application()
        server.router.add_post("/api/messages", Bot(workplace, http).handle)
        runner = web.AppRunner(server, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        workplace.teams.app_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages"
        yield
        await runner.cleanup()


@pytest.mark.usefixtures("bot")
async def test_the_whole_way_through_botbuilder(workplace: Workplace) -> None:
    """Mention, card in a new thread, words in that thread, click, the clicker's own card."""
    alex, bo = workplace.teams.person("alex"), workplace.teams.person("bo")
    await alex.says("#support", "@sayso refund order 1042")
    card = await bo.waits_for("#support", "129.90")
    await workplace.teams.settled()
    assert [one.text_as_seen() for one in bo.sees_in_thread(card)][1:] == ["Please decide."]
    assert (await bo.clicks(card, "Approve")).card == DONE
    assert bo.reads(card) == "Approved."
    assert [one.grant for one in workplace.tokens.issued] == ["client_credentials"]
