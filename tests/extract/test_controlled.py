"""Every substance under international control is in the tables, under its convention."""

from __future__ import annotations

import csv

import pytest

from extract.vocabulary import TABLES

CONTROLLED = {
    "1961": """
    2-methyl-ap-237; 3-methylfentanyl; 3-methylthiofentanyl; 4-fluoroisobutyrylfentanyl; acetorphine;
    acetyl-alpha-methylfentanyl; acetyldihydrocodeine; acetylfentanyl; acetylmethadol; acryloylfentanyl; ah-7921;
    alfentanil; allylprodine; alpha-methylfentanyl; alpha-methylthiofentanyl; alphacetylmethadol; alphameprodine;
    alphamethadol; alphaprodine; anileridine; benzethidine; benzylmorphine; beta-hydroxy-3-methylfentanyl;
    beta-hydroxyfentanyl; betacetylmethadol; betameprodine; betamethadol; betaprodine; bezitramide; brorphine;
    butonitazene; butyrylfentanyl; carfentanil; clonitazene; coca leaf; cocaine; codeine; codoxime;
    desmethylprodine; desomorphine; dextromoramide; dextropropoxyphene; diampromide; diethylthiambutene; difenoxin;
    dihydrocodeine; dihydroetorphine; dihydromorphine; dimenoxadol; dimepheptanol; dimethylthiambutene; dioxaphetyl
    butyrate; diphenoxylate; dipipanone; drotebanol; ecgonine; ethylmethylthiambutene; ethylmorphine;
    etodesnitazene; etonitazene; etonitazepyne; etorphine; etoxeridine; fentanyl; furanylfentanyl; furethidine;
    heroin; hydrocodone; hydromorphinol; hydromorphone; hydroxypethidine; isomethadone; isotonitazene; ketobemidone;
    levomethorphan; levomoramide; levophenacylmorphan; levorphanol; metazocine; methadone; methoxyacetylfentanyl;
    methyldesorphine; methyldihydromorphine; metonitazene; metopon; morpheridine; morphine; mt-45; myrophine;
    n-desethyl isotonitazene; n-pyrrolidino protonitazene; nicocodine; nicodicodine; nicomorphine; noracymethadol;
    norcodeine; norlevorphanol; normethadone; normorphine; norpipanone; ocfentanil; oliceridine; opium; oripavine;
    ortho-fluorofentanyl; oxycodone; oxymorphone; para-fluorobutyrylfentanyl; para-fluorofentanyl; pepap; pethidine;
    phenadoxone; phenampromide; phenazocine; phenomorphan; phenoperidine; pholcodine; piminodine; piritramide; poppy
    straw; proheptazine; properidine; propiram; protonitazene; racemoramide; racemorphan; remifentanil; sufentanil;
    tetrahydrofuranylfentanyl; thebacon; thebaine; thiofentanyl; tilidine; trimeperidine; u-47700; valerylfentanyl
""",
    "1971": """
    2,5-dimethoxy-4-methylamphetamine; 2,5-dma; 2-fdck; 25b-nbome; 25c-nbome; 25i-nbome; 2c-b;
    3,4,5-trimethoxyamphetamine; 3-cmc; 3-meo-pcp; 3-mmc; 4-cmc; 4-fluoroamphetamine; 4-mec; 4-methylaminorex;
    4-mta; 4f-mdmb-binaca; 5f-amb; 5f-apinaca; 5f-mdmb-pica; 5f-mdmb-pinaca; 5f-pb-22; ab-chminaca; ab-fubinaca;
    ab-pinaca; adb-butinaca; adb-chminaca; adb-fubinaca; allobarbital; alpha-phip; alpha-php; alpha-pvp; alprazolam;
    am-2201; amfepramone; aminorex; amobarbital; amphetamine; barbital; benzphetamine; bromazepam; bromazolam;
    brotizolam; buprenorphine; butalbital; butobarbital; bzp; camazepam; cathine; cathinone; chlordiazepoxide;
    clobazam; clonazepam; clonazolam; clorazepate; clotiazepam; cloxazolam; cumyl-4cn-binaca; cyclobarbital;
    delorazepam; dexamphetamine; diazepam; diclazepam; diethyltryptamine; dipentylone; diphenidine; dmhp; dmt; dob;
    doet; dronabinol; estazolam; ethchlorvynol; ethinamate; ethyl loflazepate; ethylone; ethylphenidate;
    eticyclidine; etilamfetamine; etizolam; etryptamine; eutylone; fencamfamin; fenethylline; fenproporex;
    flualprazolam; flubromazolam; fludiazepam; flunitrazepam; flurazepam; fub-amb; ghb; glutethimide; halazepam;
    haloxazolam; jwh-018; ketazolam; lefetamine; levamphetamine; levomethamphetamine; loprazolam; lorazepam;
    lormetazepam; lsd; mazindol; mda; mdea; mdma; mdmb-chmica; mdpv; mecloqualone; medazepam; mefenorex; mephedrone;
    meprobamate; mescaline; mesocarb; methamphetamine; methaqualone; methcathinone; methiopropamine; methylone;
    methylphenidate; methylphenobarbital; methyprylon; midazolam; mmda; mxe; n-ethylhexedrone; n-ethylpentylone;
    n-hydroxy-mda; nimetazepam; nitrazepam; nordazepam; oxazepam; oxazolam; para-methyl-4-methylaminorex; parahexyl;
    pcp; pemoline; pentazocine; pentedrone; pentobarbital; phenazepam; phendimetrazine; phenmetrazine;
    phenobarbital; phentermine; pinazepam; pipradrol; pma; prazepam; psilocin; psilocybin; pyrovalerone;
    rolicyclidine; secbutabarbital; secobarbital; temazepam; tenocyclidine; tetrazepam; triazolam; ur-144;
    vinylbital; xlr-11; zipeprol; zolpidem
""",
    "1988": """
    1-boc-4-ap; 1-boc-4-piperidone; 4-piperidone; acetic anhydride; acetone; anpp; anthranilic acid; apaan; diethyl
    ether; ephedrine; ergometrine; ergotamine; isosafrole; lysergic acid; methyl ethyl ketone; n-acetylanthranilic
    acid; norephedrine; norfentanyl; npp; phenylacetic acid; piperidine; piperonal; pmk; potassium permanganate;
    pseudoephedrine; safrole; toluene
""",
}
"""By convention the names of its schedules or tables, written down from general knowledge without the vocabulary at hand."""


def read(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("convention", CONTROLLED)
def test_all_of_a_convention_is_known(convention: str) -> None:
    schedules = {row["id"]: row["un"] for row in read("substances.csv")}
    named: dict[str, set[str]] = {}
    for table in ("names.csv", "names_brands.csv"):
        for row in read(table):
            named.setdefault(row["name"].casefold(), set()).add(schedules[row["substance"]])
    wanted = [" ".join(name.split()) for name in CONTROLLED[convention].split(";")]
    missing = [name for name in wanted if not any(one.startswith(convention) for one in named.get(name, ()))]
    assert not missing
    assert len(wanted) > 20


def test_household_acids_are_known_by_their_numbers_only() -> None:
    """`hydrochloric acid` is no `acid`, and most who sell it clean drains."""
    rows = {row["id"]: row for row in read("substances.csv")}
    for acid, number in (("hydrochloric-acid", "7647-01-0"), ("sulphuric-acid", "7664-93-9")):
        assert (rows[acid]["un"], rows[acid]["cas"]) == ("1988-II", number)
        assert [row["name"] for row in read("names.csv") + read("names_brands.csv") if row["substance"] == acid] == [number]
