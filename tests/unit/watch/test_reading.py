"""The file of rules: what it may say, and that each mistake is named with its line and what is allowed."""

from __future__ import annotations

import pytest

from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.rulebook.conditions import KINDS
from cryptoproxy.watch.rulebook.reading import parse
from cryptoproxy.watch.rulebook.rules import Condition, Series

WHOLE = """
channels:
  ops: {discord: "env:DISCORD_WEBHOOK"}
  any: {webhook: "file:/run/secrets/hook", template: '{"text": {words}}'}
rules:
  btc-falls:
    of: ticker.price
    assets: [binance:BTCUSDT, coingecko:bitcoin]
    when: {falls: 5%, within: 1h, clear: 3%}
    hold: 2
    cool-down: 30m
    severity: critical
    hours: 22:00-06:00
    days: mon-fri
    tell: [ops, any]
  hot:
    assets: top 20
    when:
      all:
        - {rsi-above: 70, of: candle-1h.close}
        - {times-mean: 3x, within: 24h, of: candle-1h.quote_volume}
        - {above: 0.01, of: ticker.price}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        parse(text)
    return error.value.faults


def rule(lines: str) -> str:
    return "rules:\n  r:\n" + "".join(f"    {line}\n" for line in lines.splitlines())


def test_a_file_is_read_as_it_is_written():
    rules = parse(WHOLE)
    falls = rules.rules["btc-falls"]
    assert falls.conditions == [
        Condition(
            kind="falls", of=Series("ticker", "", "price"), threshold=-5.0, clear=-3.0, options={"within": 3_600_000}
        )
    ]
    assert (falls.hold, falls.cool_down_ms, falls.severity, falls.tell) == (2, 1_800_000, "critical", ("ops", "any"))
    assert falls.assets.hold("binance:BTCUSDT:USDT")
    assert falls.assets.hold("coingecko:bitcoin:USD")
    assert not falls.assets.hold("binance:BTCUSDTX:USDT")
    assert rules.rules["hot"].assets.top == 20
    assert {str(each) for each in rules.series()} == {"ticker.price", "candle-1h.close", "candle-1h.quote_volume"}
    assert rules.channels["any"].template == '{"text": {words}}'


def test_the_night_belongs_to_the_day_it_began_on():
    hours = parse(WHOLE).rules["btc-falls"].hours
    friday_23h, saturday_5h, saturday_23h = (
        1_793_401_200_000 - 86_400_000,
        1_793_422_800_000 - 86_400_000,
        1_793_487_600_000,
    )
    assert [hours.hold(each) for each in (friday_23h, saturday_5h, saturday_23h)] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", "", "it is empty"),
        ("rules: [", ":1", "this is not YAML"),
        ("channels: {}", ":1", "there are no `rules:`"),
        ("rulez: {}\nrules: {}", ":1", "did you mean rules?"),
        (rule("when: {fals: 5%, within: 1h}"), ":3", "there is no condition 'fals'; did you mean falls? there are above"),
        (rule("when: {falls: 5, within: 1h}"), ":3", "'5' is not a percentage like 5%"),
        (rule("when: {falls: 5%}"), ":3", "falls needs `within:`, a time span like"),
        (rule("assets: top 0\nwhen: {below: 3}"), ":3", "assets are `all`, `top 20`"),
        (rule("hours: 08:00-24:30\nwhen: {below: 3}"), ":3", "'08:00-24:30' is not like 08:00-20:00"),
        (rule("hold: 0\nwhen: {below: 3}"), ":3", "0 is out of range; it must be a whole number from 1 to 1000"),
        (rule("days: {mon: fri}\nwhen: {below: 3}"), ":3", "days: here stands one value"),
        (rule("when: {all: [{below: 3}, {any: [{below: 1}, {above: 9}]}]}"), ":3", "`any:` stands alone right below"),
        (rule("when: {falls: 5%, within: 1y}"), ":3", "'1y' is not a time span like"),
        (rule("when: {falls: 5%, within: 90d}"), ":3", "more than 31 days"),
        (rule("when: {falls: 5%, within: 1h, clear: 6%}"), ":3", "`clear` beyond the threshold"),
        (rule("when: {above: 5, below: 3}"), ":3", "two conditions, above and below: put them below `all:` or `any:`"),
        (rule("when: {any: [{above: 5}]}"), ":3", "a list of two conditions or more"),
        (rule("when: [a]"), ":3", "a condition is like {falls: 5%, within: 1h}; several are a list below `all:`"),
        (rule("when: {all: [a, {above: 5}]}"), ":3", "a condition is like"),
        (rule("when: {}"), ":3", "there is no condition; there are above"),
        (rule("when: {above: 5, above: 6}"), ":3", "above is there twice"),
        ("rules:\n  r: 5", ":2", "rule r: here stand names with values, like `of: …`"),
        ("rules: [a]", ":1", "rules: here stand names with values"),
        ("[a]", ":1", "the file: here stand names with values"),
        (rule("assets: all"), ":2", "there is no `when:`"),
        (rule("of: ticker.prize\nwhen: {above: 5}"), ":3", "did you mean price?"),
        (rule("of: tick.price\nwhen: {above: 5}"), ":3", "there is no dataset 'tick'"),
        (rule("of: candle-2m.close\nwhen: {above: 5}"), ":3", "candle has 1s, 1m"),
        (rule("of: alert.value\nwhen: {above: 5}"), ":3", "rules look at numbers of assets"),
        (rule("when: {rsi-above: 70}"), ":3", "of closed bars"),
        (rule("of: candle-1h.close\nwhen: {average-crosses: sideways, fast: 5, slow: 9}"), ":4", "there are up, down"),
        (rule("of: candle-1h.close\nwhen: {average-crosses: up, fast: 9, slow: 5}"), ":4", "fewer bars than slow"),
        (rule("when: {above: 5}\nassets: everything"), ":4", "assets are `all`, `top 20`, or a list"),
        (rule("when: {above: 5}\nassets: ['a:b:c:d']"), ":4", "is not SOURCE, SOURCE:ASSET"),
        (rule("when: {above: 5}\nassets: [binace:BTCUSDT]"), ":4", "no source 'binace'; did you mean binance?"),
        (rule("when: {apart: 50bps, from: bybit-spott}"), ":3", "no source 'bybit-spott'; did you mean bybit-spot?"),
        (rule("when: {gap: 30s, in: trde}"), ":3", "rule r: in: "),
        (rule("when: {above: 5}\ntell: [nobody]"), ":4", "there is no channel 'nobody'; there are none"),
        (rule("when: {above: 5}\nseverity: bad"), ":4", "there are info, warning, critical"),
        (rule("when: {above: 5}\nhours: 8-20"), ":4", "is not like 08:00-20:00"),
        (rule("when: {above: 5}\ndays: [monday]"), ":4", "is not like mon or mon-fri"),
        (rule("when: {above: 5}\nhold: 0"), ":4", "out of range"),
        (rule("when: {below: 1e999}"), ":3", "out of range"),
        (rule("when: {above: 5}\nwhen: {above: 6}"), ":4", "when is there twice; first in line 3"),
        (rule("when: {percentile-above: 100, within: 7d}"), ":3", "between 0 and 100"),
        ("rules:\n  Bad Name:\n    when: {above: 5}", ":2", "a rule's name is 1 to 32"),
        ("channels:\n  c: {webhook: 'env:X'}\nrules: {}", ":2", "a webhook needs a `template:`"),
        ("channels:\n  c: {discord: 'env:X', slack: 'env:Y'}\nrules: {}", ":2", "exactly one of discord, discord-bot, slack"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(text: str, line: str, words: str):
    (fault,) = faults(text)
    assert fault.startswith(f"watch.yaml{line}"), fault
    assert words in fault


def test_all_mistakes_are_named_at_once():
    found = faults(rule("when: {fals: 5%}") + rule("when: {above: x}").replace("rules:\n  r", "  s"))
    assert [each.split(" ")[0] for each in found] == ["watch.yaml:3:", "watch.yaml:5:"]


def test_all_mistakes_of_one_rule_are_named_in_the_order_of_their_lines():
    found = faults(
        rule("of: ticker.prise\nassets: [binace]\nwhen: {falls: 5 percent, within: 1hour, clear: x}\ntell: [op]\n"
             "severity: bad\nhold: 0\ncool-down: soon\nhours: 8-20\ndays: monday")
        + "channels:\n  c: {slack: 'secret'}\n"
    )  # fmt: skip
    places = [int(each.split(":")[1]) for each in found]
    assert places == [3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 11, 13]
    assert "rule r: within: '1hour' is not a time span" in "\n".join(found)


def test_of_several_conditions_each_is_read():
    found = faults(rule("when: {any: [{abov: 1}, {belo: 2, x: 1}, {above: 3}]}"))
    assert [each.split("; did you mean ")[1].split("?")[0] for each in found] == ["above", "below"]


@pytest.mark.parametrize("template", ['{"a": {zzz}}', '{"a": "{words}"}', "{title}, {link}"])
def test_a_template_that_gives_no_json_is_refused(template: str):
    (fault,) = faults(f"channels:\n  c: {{webhook: 'env:X', template: '{template}'}}\nrules: {{}}")
    assert fault.startswith("watch.yaml:2: channel c: filled with an alert the template is no JSON")
    assert "stands without quotes, and is one of words, title" in fault


def test_an_address_that_stands_in_the_file_is_refused_and_not_shown():
    (fault,) = faults("channels:\n  c: {discord: 'https://discord.example/api/webhooks/1/secret'}\nrules: {}")
    assert "say env:NAME or file:" in fault
    assert "secret" not in fault.replace("a secret", "").replace("/secrets/", "")


def test_every_kind_of_condition_has_its_words():
    for name, kind in KINDS.items():
        assert all((kind.says, kind.sentence, kind.over)), name


def test_what_is_nested_without_end_is_a_mistake_too():
    assert "this is not YAML" in faults("rules: " + "[" * 5_000)[0]
