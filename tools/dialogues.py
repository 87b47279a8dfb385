"""What is said in the sample calls. A line's gap is the silence before it; negative, it talks over the line before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DIALOGUES", "Dialogue", "Line", "Music", "Pause", "Person"]

Role = Literal["customer", "agent", "ivr", "acd"]


@dataclass(frozen=True)
class Person:
    """Who speaks and with which voice of espeak-ng."""

    role: Role
    name: str
    voice: str
    pitch: int = 50
    words_a_minute: int = 168
    queue: str | None = None


@dataclass(frozen=True)
class Line:
    """One turn: the person's key, the words, and the silence before it in ms (None: an ordinary reply)."""

    who: str
    text: str
    gap_ms: int | None = None


@dataclass(frozen=True)
class Music:
    """Hold music on the internal channel. ``reason`` is set where the platform annotates a hold."""

    length_ms: int
    reason: Literal["Hold"] | None = None


@dataclass(frozen=True)
class Pause:
    """The recording is paused: this stretch is missing in the audio, and nobody is transcribed in it."""

    length_ms: int
    reason: Literal["SecurePause", "Pause"] = "SecurePause"


@dataclass(frozen=True)
class Dialogue:
    """One call. What the metadata does not say: ``offset_ms``, ``drift_ppm``, ``swapped``."""

    name: str
    title: str
    people: dict[str, Person]
    lines: tuple[Line | Music | Pause, ...]
    language: str = "en-us"
    format: Literal["opus", "ulaw", "two opus"] = "opus"
    recording_start_ms: int = 37
    offset_ms: int = 0
    drift_ppm: int = 0
    swapped: bool = False
    crosstalk_db: float = -45.0
    expected: Literal["verified", "corrected"] = "verified"


_PLAIN = Dialogue(
    name="plain",
    title="A bill that went up: two people, one after the other",
    people={
        "c": Person("customer", "Nora Whitfield", "gmw/en+f3", 55),
        "a": Person("agent", "Daniel Reyes", "gmw/en-US+m3", 42, queue="Billing"),
    },
    lines=(
        Line("a", "Thank you for calling Northwind Energy, this is Daniel. How can I help?", 900),
        Line("c", "Hello Daniel. My bill went up by 12 pounds this month and I don't know why."),
        Line("a", "I'm sorry about that. May I have your account number?"),
        Line("c", "Yes, it's 4 8 8 1 7 2."),
        Line("a", "Thank you. One moment, please."),
        Line("a", "Right, I can see it. Your old tariff ended in March.", 2300),
        Line("c", "Nobody told me about that."),
        Line("a", "We did send a letter, but I understand. I can move you to the new fixed rate today."),
        Line("c", "What would I pay then?"),
        Line("a", "About 61 pounds a month, fixed for a year."),
        Line("c", "That sounds better. Please do that."),
        Line("a", "Done. You will get an email within the hour. Anything else?"),
        Line("c", "No, that's all. Thank you very much."),
        Line("a", "You're welcome. Have a good day."),
    ),
)

_IVR_HOLD = Dialogue(
    name="ivr-hold",
    title="A menu, hold music in the queue, a hold and a transfer",
    people={
        "c": Person("customer", "Samuel Okoro", "gmw/en+m7", 40),
        "ivr": Person("ivr", "Main menu", "gmw/en-US+f5", 60, 160),
        "acd": Person("acd", "Queue prompts", "gmw/en-US+f5", 60, 160, queue="Deliveries"),
        "a": Person("agent", "Priya Nair", "gmw/en+f4", 52, queue="Deliveries"),
        "b": Person("agent", "Tom Becker", "gmw/en-US+m1", 35, queue="Refunds"),
    },
    lines=(
        Line("ivr", "Welcome to Harbour Home. Please tell me in a few words what you are calling about.", 700),
        Line("c", "My delivery never arrived.", 800),
        Line("ivr", "A missing delivery. Is that right?", 1100),
        Line("c", "Yes."),
        Line("acd", "Thank you. All our advisers are busy. Please stay on the line.", 900),
        Music(6000),
        Line("acd", "You are next in the queue.", 200),
        Music(4500),
        Line("a", "Hello, this is Priya from deliveries. What's your order number?", 600),
        Line("c", "Hi Priya. It's 7 7 3, 0 2 9."),
        Line("a", "Thank you. It was sent back to us last Friday, I'm afraid."),
        Line("c", "Oh. Then I would like my money back."),
        Line("a", "Of course. I'll put you on a short hold and bring in refunds."),
        Music(6500, "Hold"),
        Line("b", "Hello Samuel, this is Tom. I can refund you right now.", 500),
        Line("c", "That was quick. To my card, please."),
        Line("b", "It's on its way. You'll see it in three days."),
        Line("c", "Perfect. Thanks, bye."),
        Line("b", "Goodbye, and thank you for calling."),
    ),
)

_SECURE_PAUSE = Dialogue(
    name="secure-pause",
    title="A card payment: the recording is paused for 17 seconds and the pause is cut out",
    format="ulaw",
    recording_start_ms=52,
    people={
        "c": Person("customer", "Ruth Adler", "gmw/en+f2", 48, 185),
        "a": Person("agent", "Marcus Lund", "gmw/en-US+m2", 40, 185, queue="Payments"),
    },
    lines=(
        Line("a", "Payments, Marcus speaking.", 600),
        Line("c", "Hi, I want to pay my invoice."),
        Line("a", "Sure. Which one?"),
        Line("c", "The one from May, 84 dollars."),
        Line("a", "I've got it here."),
        Line("c", "Great."),
        Line("a", "I'll pause the recording while you give me your card."),
        Pause(17_240),
        Line("a", "Thank you, we are recording again.", 500),
        Line("c", "Did it go through?"),
        Line("a", "Yes, the payment is complete."),
        Line("c", "And the receipt?"),
        Line("a", "It's in your mail already."),
        Line("c", "Wonderful. Thanks a lot."),
        Line("a", "Thank you. Bye bye."),
    ),
)

_OVERTALK = Dialogue(
    name="overtalk",
    title="Two people who do not let each other finish",
    crosstalk_db=-28.0,
    people={
        "c": Person("customer", "Gloria Mendes", "gmw/en-US+f1", 58, 185),
        "a": Person("agent", "Peter Shaw", "gmw/en-GB-scotland+m4", 45, 175, queue="Internet"),
    },
    lines=(
        Line("a", "Internet support, Peter speaking, how can I help you today?", 800),
        Line("c", "My line has been down for three days now, three days, and nobody calls me back.", -500),
        Line("a", "I'm sorry.", -1500),
        Line("c", "I work from home, so this is costing me real money.", 150),
        Line("a", "I understand that completely. Let me check the line for you, it takes a moment.", -900),
        Line("c", "They said the same thing on Monday and nothing happened.", -1100),
        Line("a", "Well, I do see a fault in your street, and an engineer is already booked.", -700),
        Line("c", "Booked for when?", -300),
        Line("a", "For tomorrow morning, between eight and ten.", -150),
        Line("c", "That is not good enough, it has to be today.", -600),
        Line("a", "Let me see.", -700),
        Line("a", "There's one at four this afternoon.", 1900),
        Line("c", "Yes, please, I'll take that one.", -350),
        Line("a", "Alright, it's yours, and I will take a week off your bill.", -250),
        Line("c", "Okay, thank you, that helps.", -600),
        Line("a", "Sorry again. Goodbye.", 200),
    ),
)

_OFFSET = Dialogue(
    name="offset",
    title="The recording's start time is wrong: all of it is heard 1.73 s late",
    offset_ms=1730,
    expected="corrected",
    people={
        "c": Person("customer", "Hugh Carter", "gmw/en+m5", 38),
        "a": Person("agent", "Lena Fischer", "gmw/en-US+f4", 55, queue="Reservations"),
    },
    lines=(
        Line("a", "Good morning, Bayview Hotel, Lena speaking.", 900),
        Line("c", "Morning. I have a booking for Friday and need to change it."),
        Line("a", "Of course. What name is it under?"),
        Line("c", "Carter. Hugh Carter."),
        Line("a", "Found it. One double room, two nights."),
        Line("c", "Could we make it three nights?"),
        Line("a", "Let me look at Sunday."),
        Line("a", "Yes, that works. It's 95 for the extra night.", 1700),
        Line("c", "Fine. Is breakfast included?"),
        Line("a", "It is, from seven to ten."),
        Line("c", "Lovely. That's everything."),
        Line("a", "You're all set. See you on Friday."),
        Line("c", "Thank you, goodbye."),
    ),
)

_SWAPPED = Dialogue(
    name="swapped",
    title="The channels are exchanged: the agent is on the first one",
    swapped=True,
    expected="corrected",
    people={
        "c": Person("customer", "Ingrid Sol", "gmw/en+f5", 50),
        "a": Person("agent", "Walter Kim", "gmw/en-US+m6", 44, queue="Claims"),
    },
    lines=(
        Line("a", "Claims department, this is Walter.", 700),
        Line("c", "Hello. Somebody drove into my parked car last night."),
        Line("a", "Oh no. Is anybody hurt?"),
        Line("c", "No, the car was empty."),
        Line("a", "Good. Do you have the other driver's plate?"),
        Line("c", "Yes, they left a note with it."),
        Line("a", "Excellent. Please send me a picture of the note and of the damage."),
        Line("c", "Can I do that by email?"),
        Line("a", "Yes, I'm sending you the address now."),
        Line("c", "I have it. And the repair?"),
        Line("a", "Any garage you like. We pay them directly."),
        Line("c", "That's a relief. Thank you, Walter."),
        Line("a", "Drive safely."),
    ),
)

_TWO_FILES = Dialogue(
    name="two-files",
    title="Two recordings of one channel each, in French",
    language="fr-fr",
    format="two opus",
    people={
        "c": Person("customer", "Claire Martin", "roa/fr+f2", 55),
        "a": Person("agent", "Julien Petit", "roa/fr+m3", 42, queue="Service client"),
    },
    lines=(
        Line("a", "Bonjour, service client, Julien à votre écoute.", 800),
        Line("c", "Bonjour. J'ai perdu mon mot de passe."),
        Line("a", "Pas de problème. Quel est votre nom ?"),
        Line("c", "Claire Martin."),
        Line("a", "Merci. Je vous envoie un code par message."),
        Line("c", "Je l'ai reçu. C'est le 4 0 9 2."),
        Line("a", "Parfait. Un petit instant."),
        Line("a", "Vous pouvez maintenant choisir un nouveau mot de passe.", 1800),
        Line("c", "C'est fait, et ça marche très bien."),
        Line("a", "Est-ce que je peux faire autre chose pour vous ?"),
        Line("c", "Non, c'est tout. Merci beaucoup."),
        Line("a", "Je vous en prie. Bonne journée."),
        Line("c", "Au revoir."),
    ),
)

_DRIFT = Dialogue(
    name="drift",
    title="The recorder's clock runs 180 ppm slow against the transcript's: the audio falls behind",
    drift_ppm=180,
    expected="corrected",
    people={
        "c": Person("customer", "Amir Haddad", "gmw/en+m1", 45, 180),
        "a": Person("agent", "Susan Clarke", "gmw/en-US+f2", 50, 180, queue="Technical support"),
    },
    lines=(
        Line("a", "Technical support, Susan speaking.", 800),
        Line("c", "Hello, my printer is not printing."),
        Line("a", "Let's find out why. Which model is it?"),
        Line("c", "Let me look."),
        Line("c", "It says P 200 on the front.", 8_200),
        Line("a", "Thanks. Is there a light on?"),
        Line("c", "Yes, an orange one."),
        Line("a", "Is it blinking?"),
        Line("c", "It is."),
        Line("a", "Then please open the lid."),
        Line("c", "Okay, it's open.", 8_800),
        Line("a", "Do you see any paper inside?"),
        Line("c", "I can't see any."),
        Line("a", "Then close it again, please."),
        Line("c", "Closed.", 6_200),
        Line("a", "Now switch it off."),
        Line("c", "It's off.", 5_800),
        Line("a", "We'll wait for ten seconds."),
        Line("c", "How is the weather over there?", 6_600),
        Line("a", "Raining, as usual."),
        Line("c", "Same here."),
        Line("a", "Alright, switch it on, please.", 7_800),
        Line("c", "It's making a noise.", 7_000),
        Line("a", "That's normal. Wait for the light."),
        Line("c", "Now it's green.", 11_400),
        Line("a", "Very good. Try a test page."),
        Line("c", "Where do I find that?"),
        Line("a", "Hold the big button for five seconds."),
        Line("c", "I'm holding it.", 5_400),
        Line("c", "Oh, it prints!", 9_600),
        Line("a", "Wonderful. How does it look?"),
        Line("c", "A bit pale."),
        Line("a", "Then the ink is low. When did you change it?"),
        Line("c", "Never, I think."),
        Line("a", "That explains it. Do you have a new one?"),
        Line("c", "Yes, in the drawer. Hang on."),
        Line("c", "I've got it here.", 11_400),
        Line("a", "Pull the old one out."),
        Line("c", "It's out.", 9_200),
        Line("a", "And push the new one in until it clicks."),
        Line("c", "It clicked.", 8_600),
        Line("a", "Print the page again, please."),
        Line("c", "That is perfect.", 13_400),
        Line("a", "I'm glad. Anything else today?"),
        Line("c", "No, thank you, Susan."),
        Line("a", "My pleasure. Goodbye."),
        Line("c", "Bye."),
    ),
)

DIALOGUES = (_PLAIN, _IVR_HOLD, _SECURE_PAUSE, _OVERTALK, _OFFSET, _DRIFT, _SWAPPED, _TWO_FILES)
