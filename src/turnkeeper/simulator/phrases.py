"""Generate sentences in English and Spanish for each role.

A decorated sentence is written as a person would. Its raw form is what a speech recogniser returns: lower case, no
punctuation, digits spelled out.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping

EN = "en-us"
ES = "es-us"

_SLOTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    EN: {
        "thing": ("kettle", "winter coat", "router", "phone contract", "desk lamp", "coffee machine"),
        "when": ("yesterday", "on Monday", "last week", "this morning", "two days ago"),
        "trouble": ("it never arrived", "the box was empty", "it stopped working", "I was charged twice"),
        "polite": ("Thank you", "Of course", "Certainly", "All right", "I understand"),
    },
    ES: {
        "thing": ("tetera", "abrigo", "enrutador", "lámpara", "cafetera", "teléfono"),
        "when": ("ayer", "el lunes", "la semana pasada", "esta mañana", "anteayer"),
        "trouble": ("nunca llegó", "la caja venía vacía", "dejó de funcionar", "me cobraron dos veces"),
        "polite": ("Gracias", "Claro que sí", "Con mucho gusto", "Está bien", "Entiendo"),
    },
}
_LINES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    EN: {
        "ivr": (
            "Welcome to Harbour Lane.",
            "For deliveries press {digit}, for billing press {digit}.",
            "This call may be recorded for training.",
        ),
        "acd": ("All our agents are busy, please hold.", "Your call is number {digit} in the queue."),
        "agent": (
            "{polite}, let me look that up for you.",
            "Could you give me the order number, please?",
            "I can see the {thing} was sent {when}.",
            "I have issued a refund of {number} dollars.",
            "Is there anything else I can help you with?",
            "{polite}, I'm putting a note on your account.",
            "One moment, I'm checking with the warehouse.",
        ),
        "customer": (
            "Hi, I ordered a {thing} {when} and {trouble}.",
            "The number is {number}.",
            "No, {trouble}, I told you that.",
            "{polite}, that would be great.",
            "Can you tell me when it will arrive?",
            "I've been waiting since {when}.",
            "Yes.",
        ),
    },
    ES: {
        "ivr": (
            "Bienvenido a Harbour Lane.",
            "Para envíos marque {digit}, para facturación marque {digit}.",
            "Esta llamada podrá ser grabada con fines de capacitación.",
        ),
        "acd": ("Todos nuestros agentes están ocupados, espere en línea.", "Usted es el número {digit} en la fila."),
        "agent": (
            "{polite}, déjeme revisarlo.",
            "¿Me da el número de pedido, por favor?",
            "Veo que su {thing} salió {when}.",
            "Le devolví {number} dólares a su cuenta.",
            "¿Hay algo más en que pueda ayudarle?",
            "Un momento, estoy consultando con el almacén.",
        ),
        "customer": (
            "Hola, pedí una {thing} {when} y {trouble}.",
            "El número es {number}.",
            "{polite}, muchísimas gracias.",
            "¿Cuándo va a llegar?",
            "Llevo esperando desde {when}, señorita.",
            "Sí.",
        ),
    },
}
_DIGITS: Mapping[str, tuple[str, ...]] = {
    EN: ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ES: ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
}


def sentence(dice: random.Random, language: str, part: str) -> str:
    """One sentence as a person would write it. Parts without lines of their own speak as agents."""
    lines = _LINES[language]
    template = dice.choice(lines.get(part, lines["agent"]))
    slots = {name: dice.choice(options) for name, options in _SLOTS[language].items()}
    filled = template.format(digit=dice.randrange(1, 10), number=dice.randrange(1000, 10_000), **slots)
    return filled[0].upper() + filled[1:]


class _Recogniser(dict[int, str]):
    """Maps each letter of a language to its raw form. Filled when a letter is first used."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, code: int) -> str:
        self[code] = _recognised(chr(code), self._language)
        return self[code]


_RECOGNISERS = {language: _Recogniser(language) for language in _DIGITS}


def raw(decorated: str, language: str) -> str:
    """Return the raw form of a sentence."""
    return " ".join(decorated.translate(_RECOGNISERS[language]).split())


def _recognised(letter: str, language: str) -> str:
    if letter.isascii() and letter.isdigit():
        return f" {_DIGITS[language][int(letter)]} "
    if letter == "'" or unicodedata.category(letter)[0] in "LMN":
        return letter.lower()
    return " "
