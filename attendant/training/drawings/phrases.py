"""Plain words of our own, for texts that say nothing: a picture of writing is known by its look."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TALK = _words("""
    the a so that this not really just when you i we they it is was will do done never always again
    today tomorrow monday friday morning night work home train bus rain sun coffee lunch meeting
    printer boss friend mother brother teacher phone battery queue ticket price free new old best
    worst great love hate wait late early please sorry thanks nobody everybody somebody one two
    three ten hundred more less only still already maybe sure fine good bad nice wow yes no why how
    what where who of course and but or if because then in on at for with without about after before
    cat dog car house town weather game team score winner summer winter holiday weekend plan idea
    life money bill bank shop sale open closed left right ahead slow keep out need want know think
    said says told asked
""")
NAMES = _words("""
    anna ben carla david emma felix greta hugo ines jonas karla leo mia nora oscar paula quinn rosa
    sam tara uma victor wanda yusuf zoe
""")
DISHES = _words("""
    soup salad burger pizza pasta noodles rice curry steak fries toast pancakes eggs bagel sandwich
    tacos dumplings cake pie coffee tea latte juice lemonade water cider cheese olives mushrooms
    special breakfast lunch kids
""")
PLACES = _words("""
    northfield easton lakeside millbrook oakham riverton stonebridge hillcrest ashford weston
    kingsley fairview harbour airport centre station market park museum school hospital stadium
    beach
""")
SHOUTS = ("NOTICE", "WARNING", "PLEASE", "ATTENTION", "LOST CAT", "NO PARKING", "OUT OF ORDER")
FRONTS = ("sale", "open", "closed", "no entry", "free wifi", "to let")
COURSES = ("Menu", "Today", "Specials", "Lunch", "Drinks", "Breakfast")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "October", "December")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ROMAN = ("XII", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI")
