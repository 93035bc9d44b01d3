"""Word lists and patterns for demo names, titles and texts."""

from backend.demo.chance import Chance


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


FIRST_NAMES = _listed(
    "Aarav, Aditi, Ahmed, Aiko, Alma, Amina, Anand, Anya, Arjun, Ayla, Bea, Bruno, Carmen, Chen, Chloe, Clara, Daniel, "
    "Deniz, Divya, Elif, Emil, Emma, Farah, Fatima, Felix, Freya, Gaurav, Greta, Hassan, Ida, Ines, Ishaan, Ivan, Jamal, "
    "Jaya, Jonas, Kabir, Karin, Kavya, Kenji, Lars, Leila, Lena, Liam, Lina, Lucia, Maja, Mala, Marco, Maya, Meera, Mei, "
    "Milan, Mina, Nadia, Naveen, Nia, Nikhil, Noor, Nora, Olga, Omar, Oscar, Pablo, Pia, Priya, Rahul, Rania, Ravi, Rosa, "
    "Ruth, Sami, Sana, Sara, Selma, Shreya, Sofia, Sunil, Tara, Tariq, Theo, Uma, Vera, Vikram, Yara, Yusuf, Zain, Zoe"
)
LAST_NAMES = _listed(
    "Abbas, Acar, Adams, Ahmadi, Aydin, Banerjee, Bauer, Becker, Bhatt, Brown, Castro, Chandra, Chopra, Costa, Das, Demir, "
    "Desai, Diaz, Eriksen, Fischer, Garcia, Ghosh, Gupta, Hansen, Hussain, Ito, Iyer, Jain, Joshi, Kapoor, Kaya, Keller, "
    "Kim, Kumar, Larsen, Lee, Lopez, Malik, Martin, Mori, Moreau, Murphy, Nakamura, Novak, Nowak, Okafor, Patel, Pillai, "
    "Qureshi, Reddy, Rossi, Roy, Sahin, Saleh, Santos, Schmidt, Sen, Shah, Silva, Singh, Suzuki, Tanaka, Thomas, Varma, "
    "Weber, Wong, Yadav, Yang, Zaman"
)
PLACES = _listed(
    "the harbour, the old bridge, the tea garden, the night market, the lighthouse, the mango grove, the salt road, "
    "the railway station, the upper village, the ferry landing, the library, the stepwell, the pass, the last stop, "
    "the river bend"
)
THINGS = _listed(
    "lantern, letter, kite, clock, map, umbrella, song, key, boat, bell, notebook, coat, photograph, ladder, compass, "
    "drum, suitcase, window"
)
MANNERS = _listed(
    "borrowed, broken, crooked, forgotten, golden, hidden, honest, lost, painted, patient, quiet, sleepy, slow, stubborn"
)
CALLINGS = _listed(
    "baker, boatman, clockmaker, gardener, ghost, goat, grandmother, letter writer, mapmaker, musician, postman, "
    "schoolteacher, stationmaster, tailor, stranger, twin"
)

_TITLES = (
    "The {manner} {thing}",
    "The {calling} and the {thing}",
    "A {thing} for the {calling}",
    "The {calling} of {place}",
)
_CHAPTERS = (
    "The {thing}",
    "At {place}",
    "What the {calling} saw",
    "A {manner} morning",
    "The {manner} {thing}",
    "Rain",
)
_SUMMARIES = (
    "A {calling} finds a {manner} {thing} at {place}, and nobody believes it.",
    "Two neighbours, one {thing}, and a summer near {place}.",
    "What became of the {thing} that the {calling} left at {place}.",
)
_BIOS = (
    "Writes about {place} and now and then about a {calling}.",
    "Reads on trains. Owner of one {manner} {thing}.",
    "Once a {calling}, now a reader of long stories.",
    "Stories from {place}, a chapter on Sundays.",
    "",
)
_SENTENCES = (
    "{{hero}} put the {thing} on the table and waited for somebody to ask about it.",
    "Nobody at {place} had seen the {calling} since the rain began.",
    "It was a {manner} kind of day, and the {thing} would not keep still.",
    "“You could always give the {thing} back,” said the {calling}.",
    "By evening the road to {place} was under water, and {{hero}} was glad of the excuse to stay.",
    "The {calling} laughed, which nobody had expected, least of all the {calling}.",
    "Somewhere behind {place} a bell was ringing, slowly, as if it were counting.",
    "{{hero}} had promised not to tell, and kept the promise until breakfast.",
    "There were three rules about the {thing}, and the first was not to speak of the other two.",
    "Later they would all remember the {manner} {thing}, and each of them would remember it differently.",
    "The way to {place} is short if you know it, and {{hero}} did not.",
    "“Every {thing} belongs to someone,” the {calling} said, “even if it is only to the weather.”",
)
_WHISPERS = (
    "Rain over {place}. Reading all day.",
    "Has anybody seen my {thing}? It is {manner}.",
    "New chapter on Sunday, about a {calling}.",
    "Met a {calling} at {place} and learned nothing.",
    "The {manner} {thing} is back.",
    "Who is for tea at {place}?",
)
SENTENCES_IN_STOCK = 1_500
SENTENCES_IN_A_CHAPTER = range(20, 36)


def _filled(chance: Chance, pattern: str) -> str:
    return pattern.format(
        manner=chance.one(MANNERS), thing=chance.one(THINGS), calling=chance.one(CALLINGS), place=chance.one(PLACES)
    )


def bio(chance: Chance) -> str:
    """A random bio, or an empty text."""
    return _filled(chance, chance.one(_BIOS))


def title(chance: Chance) -> str:
    """A random story title."""
    return _filled(chance, chance.one(_TITLES))


def summary(chance: Chance) -> str:
    """A random summary."""
    return _filled(chance, chance.one(_SUMMARIES))


def whisper(chance: Chance) -> str:
    """A random whisper."""
    return _filled(chance, chance.one(_WHISPERS))


class Prose:
    """Generates chapters of about 2 000 characters from sentences that are generated once."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._stock = [_filled(chance, chance.one(_SENTENCES)) for _ in range(SENTENCES_IN_STOCK)]

    def title(self) -> str:
        """A random chapter title."""
        return _filled(self._chance, self._chance.one(_CHAPTERS))

    def body(self, hero: str) -> str:
        """A random chapter about the hero, in paragraphs."""
        sentences = self._chance.choices(self._stock, k=self._chance.choice(SENTENCES_IN_A_CHAPTER))
        paragraphs = (" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5))
        return "\n\n".join(paragraphs).replace("{hero}", hero)
