"""Phrase tables of the English market. Invented for the demo; the extractor's vocabulary is neither read nor copied."""

from __future__ import annotations

NAMES: dict[str, tuple[str, ...]] = {
    "cannabis-herb": ("Cannabis buds", "Weed", "Marijuana", "Amnesia Haze weed", "White Widow buds",
                      "Lemon Haze cannabis",
                      "Gorilla Glue weed", "OG Kush buds", "Super Silver Haze marijuana"),
    "cannabis-resin": ("Hash", "Hashish", "Moroccan hash", "Dry sift hash", "Bubble hash", "Afghan hashish",
                       "Maroc pollen hash"),
    "cannabis-concentrate": ("THC shatter", "Cannabis wax", "BHO shatter", "Live resin cannabis extract",
                             "THC distillate"),
    "cocaine": ("Cocaine", "Peruvian cocaine", "Fishscale cocaine", "Coke", "Colombian cocaine flake", "Uncut coke",
                "Cocain"),
    "amphetamine": ("Amphetamine", "Speed paste", "Amphetamine sulphate", "Speed (amphetamine)", "Amphetamine paste",
                    "Amphetamin"),
    "methamphetamine": ("Crystal meth", "Methamphetamine", "Meth shards", "Ice methamphetamine",
                        "Methamphetamin crystals"),
    "mdma-crystal": ("MDMA crystals", "MDMA", "Pure MDMA champagne crystals", "Dutch MDMA rocks", "MDMA shards"),
    "mdma-pill": ("Ecstasy pills", "XTC pills", "MDMA pills 220mg", "Ecstasy Blue Punisher 250mg MDMA", "XTC tablets",
                  "Extasy pills"),
    "ketamine": ("Ketamine", "S-Ketamine", "Ketamine needles", "Ket shards", "Ketamine crystals", "Ketamin"),
    "lsd": ("LSD blotters", "LSD tabs 150ug", "Acid tabs LSD", "LSD 220 ug blotter", "LSD-25 tabs"),
    "psilocybin": ("Magic mushrooms", "Golden Teacher mushrooms", "Psilocybin mushrooms", "Dried shrooms",
                   "Psilocybe cubensis"),
    "2c-b": ("2C-B pills", "2CB tablets 20mg", "2C-B HBr pills", "2C-B"),
    "dmt": ("DMT", "N,N-DMT", "DMT crystals", "DMT powder"),
    "heroin": ("Heroin", "Heroin #4", "Afghan heroin", "Brown heroin", "Heroin no. 3"),
    "oxycodone": ("Oxycodone 30mg", "Oxycodone", "OxyContin 80mg", "Oxycodone IR 30 mg pills"),
    "alprazolam": ("Xanax bars 2mg", "Alprazolam 2mg", "Xanax", "Alprazolam 1 mg", "Xanax 2 mg"),
    "diazepam": ("Diazepam 10mg", "Valium 10mg", "Diazepam", "Valium"),
    "pregabalin": ("Pregabalin 300mg", "Lyrica 300 mg", "Pregabalin capsules"),
    "gbl": ("GBL", "GBL 99.9%", "Gamma-butyrolactone GBL"),
}  # fmt: skip
NITAZENES = {
    "metonitazene": ("Metonitazene", "Metonitazene powder"), "isotonitazene": ("Isotonitazene", "Isotonitazene powder"),
    "protonitazene": ("Protonitazene", "Protonitazene HCl"), "etonitazene": ("Etonitazene", "Etonitazene powder"),
}  # fmt: skip

TITLES = (
    "{name}", "{praise} {name}", "{name} - {praise}", "{emoji} {name} {emoji}", "{NAME} | {praise} | {praise2}",
    "★ {name} ★ {praise}",
    "{q} {name}", "{q} {name} {praise}", "{name} from {country}", "{name} [{praise}]", "{name} by {vendor}",
    "{name} & tracked",
    "**{NAME}** {praise}", "{name} <{praise}>", "{emoji}{praise}{emoji} {name}", "NEW BATCH {name}",
)  # fmt: skip
UNKNOWN_TITLES = ("Mystery product 'Sextant' {praise}", "House special No. 7 {emoji}", "The famous 'Orbit' - {praise}",
                  "New arrival 'Velvet'")
DOCUMENT_TITLES = ("Passport template EU, high resolution", "Utility bill template", "Driving licence scan pack",
                   "Novelty ID card")
CUSTOM_TITLES = ("Custom listing, do not buy:", "Custom order for a regular:")
SAMPLE_TITLES = ("SAMPLE {name}", "{name} - free sample, pay shipping", "Tester / sample: {name}")
PRAISE = ("AAA+", "high quality", "VHQ", "lab tested", "top shelf", "84% pure", "uncut", "premium", "pure",
          "5 star vendor", "stealth",
          "best price", "fresh batch", "A++ quality", "same day dispatch", "NDD", "reship 50%")  # fmt: skip
EMOJI = ("🔥", "💎", "⭐", "🚀", "👑", "⚡", "🎁", "✅", "🌈")

OPENINGS = ("{name}, {praise}.", "We are proud to offer {name}.", "Top quality {name} straight from the source!",
            "Our {name} speaks for itself: {praise}, {praise2}.", "You are buying {q} of {name}.",
            "{NAME} - read before ordering.")  # fmt: skip
MIDDLES = ("Vacuum sealed, visual barrier, tracked on request.", "Orders before 14:00 ship the same day.",
           "Escrow only, no FE.",
           "Delivery usually takes 3-5 working days.", "More than 1,200 happy customers since 2019.",
           "Fast shipping, no drama.",
           "Please start low; everybody reacts differently.", "No refunds for wrong addresses.",
           "Bulk discounts, see the tiers.",
           "Holiday notice: post is slow this week.", "Reship policy: 50% for accounts with 10+ orders.")  # fmt: skip
ALSO = ("Also check our {other}.", "We stock {other} and {other2} as well.", "New in the shop: {other}!")
CONTRAST = ("This is not {other}.", "Contains no {other}.")
CONTACTS = ("Wickr: {handle}", "Telegram @{handle}", "e-mail {handle}@mailbox.example", "Tips: {wallet}")
REVIEWS = ("Arrived in 4 days, great stealth.", "Good stuff, a bit underweight", "Never arrived, 50% refund.",
           "Will be back!",
           "5/5 as always", "quality ok, comms slow")  # fmt: skip
BUYERS = ("plumtree", "oldbike", "k***7", "marmot", "TeaCup", "riverbed", "gr**n", "Halibut", "wren", "socket9")
VENDOR_FIRST = ("North", "Paper", "Copper", "Quiet", "Harbour", "Amber", "Velvet", "Cobalt", "Maple", "Granite",
                "Willow", "Rusty")
VENDOR_LAST = ("Postman", "Fox", "Lantern", "Bakery", "Depot", "Heron", "Badger", "Compass", "Orchard", "Garage",
               "Ferry", "Otter")
SHIPPING = ("Standard letter", "Tracked letter", "Express", "Next day delivery", "International tracked", "Untracked")
