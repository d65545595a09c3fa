"""The words that finders of personal data look for (`crawler.privacy_patterns`), folded as the texts are."""

from __future__ import annotations

from crawler.privacy_views import fold


def fold_words(words: str) -> tuple[str, ...]:
    """The words of a line, folded, each once, longest first (as alternatives of a pattern want them)."""
    return tuple(sorted({fold(word) for word in words.split()}, key=lambda word: (-len(word), word)))


MESSENGERS = fold_words(
    "telegram telegramm telegam telega tlgrm телеграм телеграмм телеграме телеграмме телеграма телега "
    "телеге телегу тележка tele телегр wickr wickrme wickr-me wikr викр виккр wiсkr jabber xmpp джаббер "
    "жабер жаббер threema threemaid тримa трима whatsapp whatsap watsapp whats-app ватсап вотсап вацап "
    "ватсапп viber вайбер icq аська аське аську skype скайп discord дискорд kik briar vipole випол wechat "
    "snapchat instagram инстаграм инста insta keybase surespot dread"
)
"""Names that mean nothing but the messenger."""
WORDS_FOR_CONTACT = fold_words(
    "tg тг тлг tlg tgm signal сигнал session сессия сешн tox wire matrix element olvid simplex jid ник "
    "nick nickname handle username контакт contact"
)
"""Names of messengers that are words of their own, and words that announce a name."""
LINKING = fold_words(
    "id ид ник nick nickname name user username handle acc account contact контакт me is my our канал бот "
    "bot channel наш мой логин login at address адрес написать пиши пишите"
)
"""What may stand between the messenger and the name."""
NO_NAMES = frozenset(
    fold_words(
        "support notification notifications bot channel only and or contact chat group for with the our you "
        "your via please order orders available updates update link account accounts app not now here also "
        "any all are can will live service services shop store message messages messenger messengers write "
        "online premium client clients news discount sale number work works working at on in to from after "
        "before if when we this that transfer ended expired time length key public private encrypted strong "
        "quality boost booster для или наш наша нас только после если при пишите писать есть оператор "
        "оператору поддержка работает заказ заказа заказы магазин магазина чат канал канале бот бота группа "
        "группе связь связи круглосуточно номер как что это все вам всех чтобы также скидка скидки доставка "
        "гарантия клад клады курьер работа где когда через кетамин мефедрон сайт сайте свободен свободна "
        "быстро мы вы мой моя они она приходит отвечаем напишите ответим новости акции who what seller vendor "
        "buyer sellers vendors buyers market hash weed pills grams gram kush haze sativa indica information "
        "info details first before during through page below above listing listings profile email mail pgp me "
        "us him them always never directly secure safe instead fast quick jabber xmpp wickr telegram signal "
        "session threema whatsapp assistance account login games match"
    )
)
"""What follows a messenger's name in ordinary sentences."""
DIGITS = fold_words(
    "ноль один два три четыре пять шесть семь восемь девять zero one two three four five six seven eight nine oh"
)
MAIL_HOSTS = fold_words("gmail proton protonmail tutanota yandex hotmail mail2tor")
LINK_HOSTS = fold_words("t telegram telegra tx wa vk m discord signal tg")
"""First words of the messengers' own links (`t.me/…`, `vk.com/…`, `tg://…`)."""
