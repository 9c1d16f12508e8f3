"""What a follow-up must ask for, and must not, once it stands alone. The questions are written from common sense."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.conversation import standalone
from assistant.questions import LENGTH_LIMIT
from assistant.schema import Turn

JAC = (Turn("Which brand did Huawei launch with JAC?", "Maextro"),)
JAC_UNANSWERED = (Turn("Which brand did Huawei launch with JAC?"),)
JAC_TOLD = (
    Turn("Which brand did Huawei launch with JAC?", "Together with JAC, Huawei launched the brand Maextro. [1]"),
)
PROFIT = (Turn("How much profit did Seres post in 2024?", "nearly 6 billion yuan"),)
SALES = (Turn("How many vehicles did AITO deliver in 2024?", "more than 387,000"),)
OPENER = (Turn("Who opened the bridge over the Orve?", "Mara Lind"),)
COST = (Turn("How much did the bridge cost?", "12 million crowns"),)
LISTING = (Turn("Where will Voyah be listed?", "Hong Kong Stock Exchange"),)
MEMBERS = (Turn("Which automakers have joined HIMA?", "BAIC, Chery, JAC and Seres"),)
MODELS = (Turn("Which models did AITO introduce?", "the M5, M7, M8 and M9"),)
OPENED = (Turn("What did Mara Lind open?", "the bridge"),)
HIMA = (Turn("What is HIMA?"),)
JAC_LOWER = (Turn("which brand did huawei launch with jac?", "Maextro"),)
PROFIT_LOWER = (Turn("how much profit did seres post in 2024?"),)
MUSEUM = (Turn("Is entry to the museum free?"),)

# history, follow-up, what the standalone question holds, what it does not hold
ELLIPSIS = [
    (JAC, "And with Chery?", ["brand", "Huawei", "launch", "with Chery"], ["JAC"]),
    (JAC, "And Seres?", ["Huawei", "launch", "Seres"], ["JAC"]),
    (JAC, "What about Chery?", ["brand", "Huawei", "Chery"], ["JAC", "What about"]),
    (JAC, "How about with Seres?", ["Huawei", "with Seres"], ["JAC", "with with"]),
    (JAC, "OK, and what about Chery?", ["brand", "Huawei", "Chery"], ["JAC", "OK"]),
    (PROFIT, "What about 2022?", ["profit", "Seres", "2022"], ["2024"]),
    (PROFIT, "And in 2022?", ["profit", "Seres", "in 2022"], ["2024", "in in"]),
    (PROFIT, "In 2022?", ["profit", "Seres", "2022"], ["2024"]),
    (PROFIT, "2022?", ["profit", "Seres", "2022"], ["2024"]),
    (PROFIT, "And Huawei?", ["profit", "Huawei", "2024"], ["Seres"]),
    (PROFIT, "What about Chery in 2022?", ["profit", "Chery", "2022"], ["Seres", "2024"]),
    (PROFIT, "And in the first half of 2025?", ["profit", "Seres", "in the first half of 2025"], ["2024"]),
    (SALES, "How many in 2023?", ["How many vehicles", "AITO", "2023"], ["2024"]),
    (SALES, "And Luxeed?", ["vehicles", "Luxeed", "2024"], ["AITO"]),
    (COST, "And the harbour?", ["How much", "the harbour", "cost"], ["bridge", "the the"]),
    (COST, "What about the tunnel?", ["the tunnel", "cost"], ["bridge"]),
    (OPENER, "And the harbour?", ["Who opened", "the harbour"], ["the bridge"]),
    ((Turn("How much did Huawei’s partner earn?"),), "And JAC’s?", ["JAC’s partner"], ["Huawei", "’s’s"]),
]
PRONOUNS = [
    (JAC, "What does it cost?", ["Maextro", "cost"], [" it "]),
    (JAC, "What is its price?", ["Maextro’s price"], ["its"]),
    (JAC, "its price?", ["Maextro’s price"], ["its"]),
    (JAC, "When was it launched?", ["Maextro", "launched"], [" it "]),
    (JAC_UNANSWERED, "What does it cost?", ["brand", "Huawei", "JAC", "cost"], [" it "]),
    (JAC_TOLD, "What does it cost?", ["brand", "JAC", "cost"], [" it ", "[1]"]),
    (PROFIT, "What was its gross margin?", ["Seres", "gross margin"], ["its", "yuan", "Seres’s"]),
    (OPENER, "Where was she born?", ["Mara Lind", "born"], ["she"]),
    (OPENER, "Who met her?", ["met Mara Lind"], ["her", "’s"]),
    (OPENER, "How much did it cost?", ["the bridge", "cost"], ["Mara Lind", " it "]),
    (OPENED, "How much did it cost?", ["the bridge", "cost"], ["Mara Lind", " it "]),
    (COST, "Who built it?", ["built the bridge"], ["crowns", " it"]),
    (COST, "And when was it opened?", ["when", "the bridge", "opened"], [" it "]),
    (LISTING, "Why is it leaving Dongfeng?", ["Voyah", "leaving Dongfeng"], ["Hong Kong", " it "]),
    (MEMBERS, "When did they join?", ["BAIC, Chery, JAC and Seres"], ["they"]),
    (MEMBERS, "What are their brands?", ["BAIC, Chery, JAC and Seres’ brands"], ["their"]),
    (MEMBERS, "Who leads it?", ["leads HIMA"], ["BAIC", " it"]),
    (MODELS, "How much do they cost?", ["M5", "M9", "cost"], ["they", "AITO"]),
    (HIMA, "Who leads it?", ["Who leads HIMA"], [" it", "hima"]),
    (MUSEUM, "How many clocks does it show?", ["clocks", "the museum", "show"], [" it "]),
]
SEDAN = (Turn("What type of vehicle is the Maextro S800?", "a luxury sedan"),)
LEADERS = (Turn("Which AITO models lead the premium segment?", "the M8 and the M9"),)
PRONOUNS += [
    (SEDAN, "How much does it cost?", ["Maextro S800", "cost"], [" it ", "type of"]),
    (LEADERS, "Which BMW do they take customers from?", ["Which BMW", "the M8 and the M9"], ["they"]),
]
PRONOUNS += [
    (JAC, "In which city is its factory?", ["Maextro’s factory"], ["its"]),
    (JAC, "Which company is its main supplier?", ["Maextro’s main supplier"], ["its"]),
    (JAC, "Which coaches praised its seats?", ["Maextro’s seats"], ["its"]),
    (JAC, "How many cars did its factory make?", ["Maextro’s factory"], ["its"]),
    (JAC, "Who owns its factory?", ["Maextro’s factory"], ["its"]),
    (JAC, "What share of its cars is exported?", ["Maextro’s cars"], ["its"]),
    (JAC, "Which museum bought it in 2024?", ["bought Maextro in 2024"], [" it "]),
    (JAC, "How long did it take to build?", ["Maextro take to build"], [" it "]),
    (JAC, "Is it true that its factory closed?", ["it true", "Maextro’s factory"], ["its"]),
    (OPENER, "Who met her in Vell?", ["met Mara Lind in Vell"], ["her ", "’s"]),
    (LISTING, "What did it say about its margin?", ["What did Voyah say about Voyah’s margin"], []),
    (LISTING, "Does it sell more cars than it makes?", ["Does Voyah sell more cars than Voyah makes"], []),
]
POINTERS = [
    (PROFIT, "What was the company's gross margin?", ["Seres", "gross margin"], ["company's", "’s’s"]),
    (LISTING, "Is the company profitable?", ["Voyah", "profitable"], ["Hong Kong"]),
    (SALES, "Which models does the brand sell?", ["AITO", "models"], []),
    (JAC, "How much does that brand cost?", ["Maextro", "cost"], ["that brand"]),
    (JAC, "Is the brand profitable in China?", ["the brand Maextro profitable"], []),
    (JAC, "Why is the brand expensive?", ["the brand Maextro expensive"], []),
    (JAC, "Which models does the brand sell abroad?", ["the brand Maextro sell abroad"], []),
    (JAC, "Who leads the brand now?", ["leads the brand Maextro now"], []),
    (LISTING, "What did the company say about its margin?", ["the company Voyah say about its margin"], []),
]
FRAGMENTS = [
    (OPENER, "On which date?", ["On which date", "opened", "bridge", "Orve"], ["Who"]),
    (MEMBERS, "And which brands?", ["which brands", "joined", "HIMA"], []),
    (PROFIT, "Why?", ["Why", "profit", "Seres", "2024"], ["How much"]),
    (PROFIT, "Since when?", ["Since when", "Seres"], []),
    (OPENER, "When?", ["When", "opened", "bridge", "Orve"], ["Who"]),
    (JAC, "And when?", ["when", "Huawei", "JAC"], []),
    (LISTING, "When was that announced?", ["When", "announced", "Voyah"], []),
    (SALES, "What share of HIMA's total is that?", ["share", "HIMA", "AITO", "2024"], []),
]
LOWER_CASE = [
    (JAC_LOWER, "and with chery?", ["brand", "huawei", "with chery"], ["jac"]),
    (JAC_LOWER, "what about chery", ["brand", "huawei", "chery"], ["jac"]),
    (JAC_LOWER, "what does it cost?", ["Maextro", "cost"], [" it "]),
    (JAC, "and with chery?", ["brand", "Huawei", "with chery"], ["JAC"]),
    (PROFIT_LOWER, "and in 2022?", ["profit", "seres", "2022"], ["2024"]),
    (PROFIT_LOWER, "and chery?", ["profit", "chery", "2024"], ["seres"]),
    (PROFIT_LOWER, "what was its revenue?", ["seres", "revenue"], ["its"]),
    ((Turn("what is hima?"),), "who leads it?", ["leads hima"], [" it"]),
]
CHAINS = [
    ((*SALES, Turn("And in 2023?")), "And Luxeed?", ["vehicles", "Luxeed", "2023"], ["AITO", "2024"]),
    ((*JAC, Turn("And with Chery?", "Luxeed")), "What does it cost?", ["Luxeed", "cost"], ["Maextro"]),
    ((*JAC, Turn("And with Chery?", "Luxeed")), "And with Seres?", ["brand", "Huawei", "Seres"], ["JAC", "Chery"]),
    ((*PROFIT, Turn("And in 2023?")), "What was its revenue?", ["Seres", "revenue"], ["its"]),
    ((*OPENER, Turn("When did she open it?", "2024")), "Where was she born?", ["Mara Lind", "born"], ["2024", "she"]),
    ((*COST, Turn("And the harbour?")), "Who built it?", ["built the harbour"], ["bridge"]),
]
ALONE = [
    (LISTING, "Who owns Voyah?"),
    (LISTING, "Which company owns Voyah?"),
    (LISTING, "How much did Seres earn in 2024?"),
    (LISTING, "What did Seres say about its margin?"),
    (LISTING, "what did seres say about its margin?"),
    (JAC, "Which brand did Huawei launch with the company Chery?"),
    (JAC, "Which brand sold best in 2024?"),
    (JAC, "Is it true that Huawei builds cars?"),
    (JAC, "What time is it?"),
    # a subject of its own
    (JAC, "Which museum moved its paintings to Vell?"),
    (JAC, "Which club has sold its ground?"),
    (JAC, "Which clubs sacked their coaches?"),
    (JAC, "Whose shares lost their value?"),
    (JAC, "Who published their memoirs?"),
    (JAC, "How many museums raised their prices?"),
    (JAC, "Why have museums raised their prices?"),
    (JAC, "Has the museum sold its paintings?"),
    (JAC, "Who restored the bridge that lost its railings?"),
    (JAC, "Which museum said it would close?"),
    (JAC, "Which coaches feared they were too old?"),
    (JAC, "Museums that raised their prices"),
    # an "it" that stands for nothing
    (JAC, "How long does it take to cross the bridge?"),
    (JAC, "How much did it cost to restore the bridge?"),
    (JAC, "What does it take to win the cup?"),
    (JAC, "Is it easier to cross the river by ferry?"),
    # a pointer that says itself which it means
    (JAC, "Who sponsors the event that opens the season?"),
    (JAC, "Who chairs the group of museums?"),
    (JAC, "Who bought the company whose ferry sank?"),
    (JAC, "How large is the model railway in Vell?"),
    (JAC, "Who organises the car race?"),
    (JAC, "Is the car race in Vell cancelled?"),
    (JAC, "Will the car industry recover?"),
    (JAC, "Does it rain in Vell?"),
    (JAC, "What is the largest brand of the alliance?"),
    (JAC, "And who leads Chery?"),
    (JAC, "So what does Maextro cost?"),
    (JAC, "Maextro price"),
    (JAC, "Thanks!"),
    (JAC, "Thank you very much"),
    (JAC, "And you?"),
    (JAC, "Do you?"),
    (JAC, "And there?"),
    (JAC, "And?"),
    (JAC, "?"),
    (JAC, ""),
]


@pytest.mark.parametrize(
    ("history", "follow_up", "holds", "lacks"),
    [*ELLIPSIS, *PRONOUNS, *POINTERS, *FRAGMENTS, *LOWER_CASE, *CHAINS],
    ids=lambda value: value[-1].question if isinstance(value, tuple) else value if isinstance(value, str) else "",
)
def test_a_follow_up_takes_from_the_history_what_it_leaves_out(history, follow_up, holds, lacks):
    asked = standalone(follow_up, history)
    assert [part for part in holds if part not in asked] == []
    assert [part for part in lacks if part in asked] == []


@pytest.mark.parametrize(("history", "question"), ALONE)
def test_a_question_that_stands_alone_is_unchanged(history, question):
    assert standalone(question, history) == question


MARGIN = (Turn("What was the gross margin of Seres in the first half of 2025?", "28.9%"),)
MADE = (Turn("Did Seres make a profit in 2024?", "yes"),)
LISBON = (Turn("Which bridge did the mayor open in Lisbon?", "the Vasco Bridge"),)
LENGTH = (Turn("How long is the bridge over the Orve?", "1,200 metres"),)
STRIKER = (Turn("Which striker did Northgate Rovers sign from Millwick in 2019?", "Tom Hale"),)
CLUB = (Turn("Which club does Hale play for?", "Northgate Rovers"),)
GOALS = (Turn("How many goals did Tom Hale score in 2020?", "31"),)
CROWD = (Turn("What was the attendance of the cup final in 2018?", "41,000"),)
WINNER = (Turn("Who won the cup final?", "Northgate Rovers"),)
COACH = (Turn("Who was sacked in March?", "Olga Brandt"),)
PAINTING = (Turn("What did the museum sell in 2021?", "The Night Ferry"),)
PAINTING_UNKNOWN = (Turn("Which painting did the museum sell in 2021?"),)
VISITORS = (Turn("How many visitors did the museum have in 2022?", "90,000"),)
RESTORED = (Turn("Was the museum restored after the fire?", "yes"),)
NAMESAKE = (Turn("Who was the museum named after?", "Ida Holm"),)
BORN = (Turn("Where was Ida Holm born?", "Vell"),)
MINISTER = (Turn("Who is the mayor of Vell?", "Peter Aske"),)
PARTY = (Turn("Which party will Aske join after the election?", "the Greens"),)
BILL = (Turn("In which city did Peter Aske sign the treaty?", "Vell"),)
MONEY = (Turn("How much money was spent on the bridge?", "3 million"),)
LOAN = (Turn("Has the city taken out a loan for the tunnel?", "yes"),)
POPULATION = (Turn("What is the population of Vell?", "12,000"),)

# history, follow-up, the whole standalone question
SENTENCES = [
    (JAC, "When was that?", "When did Huawei launch Maextro with JAC?"),
    (JAC, "When did it happen?", "When did Huawei launch Maextro with JAC?"),
    (JAC, "Why?", "Why did Huawei launch Maextro with JAC?"),
    (JAC_UNANSWERED, "Why?", "Why did Huawei launch that brand with JAC?"),
    (PROFIT, "Why?", "Why did Seres post profit in 2024?"),
    (MADE, "Why is that?", "Why did Seres make a profit in 2024?"),
    (MADE, "Was it more than in 2023?", "Was the profit of Seres more than in 2023?"),
    (MARGIN, "Why was it so high?", "Why was the gross margin of Seres in the first half of 2025 so high?"),
    (MARGIN, "What was it in 2023?", "What was the gross margin of Seres in 2023?"),
    (LISTING, "Why?", "Why will Voyah be listed?"),
    (JAC, "What happened?", "What happened: which brand did Huawei launch with JAC?"),
    (MADE, "How much?", "How much: did Seres make a profit in 2024?"),
    ((Turn("What caused the delay?"),), "When?", "When was it that something caused the delay?"),
    # bridges
    (LISBON, "When was that?", "When did the mayor open the Vasco Bridge in Lisbon?"),
    (LENGTH, "Why?", "Why is the bridge over the Orve so long?"),
    (LENGTH, "Why is it so long?", "Why is the bridge over the Orve so long?"),
    (COST, "Why?", "Why did the bridge cost so much?"),
    (OPENER, "When did that happen?", "When was it that Mara Lind opened the bridge over the Orve?"),
    (MONEY, "When?", "When was money spent on the bridge?"),
    (LOAN, "When did that happen?", "When has the city taken out a loan for the tunnel?"),
    # football clubs
    (STRIKER, "When did it happen?", "When did Northgate Rovers sign Tom Hale from Millwick in 2019?"),
    (CLUB, "Since when?", "Since when does Hale play for Northgate Rovers?"),
    (CLUB, "Why is that?", "Why does Hale play for Northgate Rovers?"),
    (GOALS, "Where?", "Where did Tom Hale score goals in 2020?"),
    (GOALS, "Was it more than in 2019?", "Was the number of goals of Tom Hale more than in 2019?"),
    (CROWD, "Why was it so low?", "Why was the attendance of the cup final in 2018 so low?"),
    (WINNER, "When was that?", "When was it that Northgate Rovers won the cup final?"),
    (COACH, "Why was that?", "Why was Olga Brandt sacked in March?"),
    ((Turn("Who did the club hire as coach?", "Al Roe"),), "Why?", "Why did the club hire Al Roe as coach?"),
    # museums
    (PAINTING, "Why?", "Why did the museum sell The Night Ferry in 2021?"),
    (PAINTING_UNKNOWN, "Where did that happen?", "Where did the museum sell that painting in 2021?"),
    (VISITORS, "Is that more than in 2021?", "Is the number of visitors of the museum more than in 2021?"),
    (RESTORED, "When was this?", "When was the museum restored after the fire?"),
    (NAMESAKE, "Why?", "Why was the museum named after Ida Holm?"),
    (NAMESAKE, "On which date?", "On which date was the museum named after Ida Holm?"),
    # politicians
    (BORN, "When?", "When was Ida Holm born?"),
    (MINISTER, "Since when?", "Since when is Peter Aske the mayor of Vell?"),
    (PARTY, "Why?", "Why will Aske join the Greens after the election?"),
    (BILL, "When was that?", "When did Peter Aske sign the treaty in Vell?"),
    (POPULATION, "Was it higher in 2010?", "Was the population of Vell higher in 2010?"),
    ((*PARTY, Turn("Why?")), "And when?", "when will Aske join the Greens after the election?"),
]


EXPORTS = (Turn("How many cars did Voyah export in 2024?", "70,000"),)
TICKETS = (Turn("How much money did Vell Museum earn in 2021?", "2 million"),)
HALF = (Turn("What was the attendance of Vell Museum in the first half of 2021?", "90,000"),)
FINAL = (Turn("Who won the 2018 cup final?", "Northgate Rovers"),)
SINCE = (Turn("Which clubs has Olga Brandt coached since 2020?", "Northgate Rovers"),)
LATELY = (Turn("How many goals did Tom Hale score last year?", "31"),)

# history, follow-up, the whole question: what a new part takes the place of, and what it is only added to
PARTS = [
    # a time takes the place of a time; a month or quarter is one of the year that was asked about
    (EXPORTS, "And in May?", "How many cars did Voyah export in May 2024?"),
    (EXPORTS, "and in june?", "How many cars did Voyah export in june 2024?"),
    (EXPORTS, "And in October 2023?", "How many cars did Voyah export in October 2023?"),
    (EXPORTS, "In Q2?", "How many cars did Voyah export in Q2 2024?"),
    (EXPORTS, "And the second half?", "How many cars did Voyah export in the second half of 2024?"),
    (EXPORTS, "And next year?", "How many cars did Voyah export next year?"),
    (EXPORTS, "Last month?", "How many cars did Voyah export last month?"),
    (EXPORTS, "And since 2020?", "How many cars did Voyah export since 2020?"),
    (HALF, "And in 2019?", "What was the attendance of Vell Museum in the first half of 2019?"),
    (HALF, "And since 2019?", "What was the attendance of Vell Museum since 2019?"),
    (HALF, "And in May?", "What was the attendance of Vell Museum in May 2021?"),
    (LATELY, "And in May?", "How many goals did Tom Hale score in May last year?"),
    (LATELY, "And in 2019?", "How many goals did Tom Hale score in 2019?"),
    (SINCE, "And in 2019?", "Which clubs has Olga Brandt coached in 2019?"),
    (COACH, "And in May?", "Who was sacked in May?"),
    (COACH, "And in 2019?", "Who was sacked in March 2019?"),
    (FINAL, "And in 2022?", "Who won the 2022 cup final?"),
    (FINAL, "And in May?", "Who won the 2018 cup final in May?"),
    (JAC, "And in Q2?", "Which brand did Huawei launch with JAC in Q2?"),
    (EXPORTS, "What about Luxeed in May?", "How many cars did Luxeed export in May 2024?"),
    # behind a preposition that the question lacks, nothing is replaced
    (EXPORTS, "And in Orveland?", "How many cars did Voyah export in 2024 in Orveland?"),
    (EXPORTS, "To Orveland?", "How many cars did Voyah export in 2024 to Orveland?"),
    (EXPORTS, "And worldwide?", "How many cars did Voyah export in 2024 worldwide?"),
    (EXPORTS, "What about officially?", "How many cars did Voyah export in 2024 officially?"),
    (COACH, "And in Vell?", "Who was sacked in March in Vell?"),
    (COST, "And in the harbour?", "How much did the bridge cost in the harbour?"),
    (EXPORTS, "And Luxeed in Orveland?", "How many cars did Luxeed export in 2024 in Orveland?"),
    ((Turn("How many cars were sold in Orveland?"),), "And in Vell?", "How many cars were sold in Vell?"),
    (EXPORTS, "And by Luxeed?", "How many cars did Luxeed export in 2024?"),
    # another noun takes the place of the noun asked for, or is searched for
    (TICKETS, "And profit?", "How much profit did Vell Museum earn in 2021?"),
    (TICKETS, "What about the entrance money?", "How much entrance money did Vell Museum earn in 2021?"),
    (EXPORTS, "And trucks?", "How many trucks did Voyah export in 2024?"),
    (EXPORTS, "What about revenue?", "revenue Voyah 2024"),
    (POPULATION, "And area?", "What is the area of Vell?"),
    (JAC, "And turnover?", "turnover Huawei"),
    (EXPORTS, "What about Luxeed's prices?", "Luxeed's prices 2024"),
    (EXPORTS, "What about its prices?", "Voyah’s prices 2024"),
    (EXPORTS, "When did the partners announce it?", "When did the partners announce Voyah?"),
    (EXPORTS, "How much does it cost to build one?", "How much does Voyah cost to build one?"),
    ((Turn("What was Voyah’s profit in 2024?"),), "And Luxeed’s sales?", "What was Luxeed’s sales in 2024?"),
    (EXPORTS, "And this year so far?", "How many cars did Voyah export in 2024 this year so far?"),
]


@pytest.mark.parametrize(("history", "follow_up", "sentence"), [*SENTENCES, *PARTS])
def test_a_completed_follow_up_is_a_grammatical_question(history, follow_up, sentence):
    assert standalone(follow_up, history) == sentence


def test_a_turn_without_a_short_answer_is_remembered_as_it_came():
    """`Turn(answer.asked, answer.short)`: the short answer to "why" is None."""
    history = [Turn("Why did Seres list?", None)]
    assert standalone("What does it cost?", history) == "What does Seres cost?"
    assert standalone("And Voyah?", history) == "Why did Voyah list?"


@pytest.mark.parametrize("said", ["Thanks", "Many thanks!", "OK, great.", "I see", "And?", "?"])
def test_a_turn_that_asks_nothing_is_not_what_the_next_one_leans_on(said):
    history = [*STRIKER, Turn(said, "something")]
    for follow_up in ("And from Vell?", "Why?", "Where was he born?"):
        assert standalone(follow_up, history) == standalone(follow_up, STRIKER)
    assert standalone(said, STRIKER) == said


def test_a_follow_up_to_a_question_of_great_length_never_exceeds_the_limit():
    asked = "Why did Seres list in Vell after " + "the delay and " * 139 + "the great fire?"
    assert LENGTH_LIMIT - 30 < len(asked) < LENGTH_LIMIT
    for follow_up in (
        "On which date did that happen?",
        "When was that, and why?",
        "And in Hong Kong after a long delay?",
    ):
        assert len(standalone(follow_up, [Turn(asked)])) <= LENGTH_LIMIT
    assert standalone("On which date did that happen?", [Turn(asked)]) == "On which date did that happen?"


def test_a_long_conversation_is_completed_from_its_last_turns():
    history = [*STRIKER * 1_500, *JAC, *[Turn("And with Chery?", "Luxeed")] * 3]
    assert standalone("And with Seres?", history) == "Which brand did Huawei launch with Seres?"
    assert standalone("And with Seres?", [Turn("And in 2023?")] * 1_500)


@pytest.mark.parametrize(
    ("history", "follow_up"),
    [row[:2] for row in [*ELLIPSIS, *PRONOUNS, *POINTERS, *FRAGMENTS, *LOWER_CASE, *CHAINS, *SENTENCES, *PARTS]],
)
def test_a_question_that_was_completed_is_complete(history, follow_up):
    """A conversation remembers what was searched for, and completes it again with the turns before it."""
    asked = standalone(follow_up, history)
    assert standalone(asked, history) == asked


@pytest.mark.parametrize(
    "words", ["it ", "did its x ", "the company ", "it takes a b to x ", "A ", "A’s b ", "in May "]
)
def test_questions_of_the_greatest_length_are_completed_in_a_moment(words):
    longest = ("Why " + words * LENGTH_LIMIT)[:LENGTH_LIMIT]
    started = time.process_time()
    standalone(longest, [Turn(longest, "Maextro")] * 8)
    assert time.process_time() - started < 5


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_without_a_history_every_question_is_unchanged(question):
    assert standalone(question, []) == question


@given(
    st.lists(
        st.sampled_from("and with what about it its that the company 2022 Seres when ? ’s with( [1] did".split()),
        max_size=6,
    )
)
@settings(max_examples=50, deadline=None)
def test_any_follow_up_gives_a_question_of_some_words(parts):
    question = " ".join(["why", *parts])
    for history in (JAC, PROFIT, (Turn("?"),), (Turn("", "?"),), (Turn("how"),)):
        assert standalone(question, history).strip()


def test_the_same_history_always_gives_the_same_question():
    assert len({standalone("And with Chery?", JAC) for _ in range(3)}) == 1
