"""What the toy voices say: sentences of a subject, a predicate and an adverbial, in each split its own.

No word of five letters or more is in two splits; shorter ones (articles, prepositions) may be.
Phrases are parted by |.
"""

import numpy as np

PHRASES = {  # split → language → subjects, predicates, adverbials
    "tr": {
        "en": (
            "the old sailor|my young neighbour|a tired doctor|her clever daughter|our gardener",
            "carried seven yellow lanterns|painted a wooden bridge|never answered those letters"
            "|bought fresh bread and butter|repaired an ancient machine|watched the heavy thunder",
            "before the long winter|near the open market|every Sunday morning"
            "|behind our kitchen window|in the dark forest|for almost eleven hours",
        ),
        "de": (
            "der alte Seemann|meine junge Nachbarin|ein müder Arzt|ihre kluge Tochter|unser Gärtner",
            "trägt sieben gelbe Laternen|bemalt eine hölzerne Brücke|schreibt niemals lange Briefe"
            "|kauft frisches Brot und Butter|flickt die rostige Maschine|hört den schweren Donner",
            "vor dem langen Winter|auf dem offenen Markt|jeden Sonntag ganz früh"
            "|hinter dem Fenster der Küche|im dunklen Wald|fast elf Stunden lang",
        ),
        "fr": (
            "le vieux marin|ma jeune voisine|un docteur fatigué|sa fille bavarde|notre jardinier",
            "porte sept lanternes jaunes|peint un pont de bois|ne répond jamais aux lettres"
            "|achète du pain frais et du beurre|répare une ancienne machine|regarde passer l'orage",
            "avant le long hiver|près du marché ouvert|chaque dimanche matin"
            "|derrière la fenêtre de la cuisine|dans la forêt noire|onze heures de suite",
        ),
        "es": (
            "el viejo marinero|mi joven vecina|un médico cansado|su hija lista|el jardinero",
            "lleva siete faroles amarillos|pinta un puente de madera|nunca responde las cartas"
            "|compra pan fresco y queso|arregla una máquina antigua|escucha el trueno lejano",
            "antes del largo invierno|cerca del mercado abierto|cada domingo temprano"
            "|detrás de la ventana|en el bosque oscuro|casi once horas seguidas",
        ),
        "it": (
            "il vecchio marinaio|la mia giovane vicina|un medico stanco|sua figlia|il giardiniere",
            "porta sette lanterne gialle|dipinge un ponte di legno|non risponde mai alle lettere"
            "|compra pane fresco e burro|ripara una macchina antica|ascolta il tuono lontano",
            "prima del lungo inverno|vicino al mercato aperto|ogni domenica mattina"
            "|dietro la finestra di cucina|nel bosco scuro|per quasi undici ore",
        ),
        "nl": (
            "de oude zeeman|mijn jonge buurvrouw|een vermoeide dokter|haar slimme dochter",
            "draagt zeven gele lantaarns|schildert een houten brug|schrijft nooit lange brieven"
            "|koopt vers brood en boter|maakt een machine weer heel|hoort de zware donder",
            "voor de lange winter|op de open markt|iedere zondag heel vroeg"
            "|achter het venster van de keuken|in het donkere woud|bijna elf uren lang",
        ),
        "pl": (
            "stary marynarz|moja młoda sąsiadka|zmęczony lekarz|ich mądra córka|nasz ogrodnik",
            "nosi siedem żółtych latarni|maluje drewniany most|nigdy nie pisze długich listów"
            "|kupuje świeży chleb i masło|naprawia dawną maszynę|słucha ciężkiego grzmotu",
            "na początku zimy|obok otwartego targu|każdej niedzieli rano"
            "|za oknem kuchni|w ciemnym lesie|prawie jedenaście godzin",
        ),
        "sv": (
            "den gamla sjömannen|min unga granne|en trött läkare|hennes kloka dotter|bagaren",
            "bär sju gula lyktor|målar en bro av trä|svarar aldrig på brev"
            "|köper färskt bröd och smör|lagar en trasig maskin|lyssnar på åskan",
            "före den långa vintern|nära det öppna torget|varje söndag morgon"
            "|bakom fönstret i köket|i den mörka skogen|nästan elva timmar",
        ),
        "pt": (
            "o velho marinheiro|minha jovem vizinha|um médico cansado|sua filha esperta",
            "carrega sete lanternas amarelas|pinta uma ponte de madeira|nunca responde cartas"
            "|compra pão fresco e manteiga|conserta uma máquina antiga|escuta o trovão distante",
            "antes do longo inverno|perto do mercado aberto|todo domingo bem cedo"
            "|atrás da janela da cozinha|no bosque escuro|quase onze horas seguidas",
        ),
        "ru": (
            "старый моряк|моя молодая соседка|усталый доктор|её умная дочка|наш садовник",
            "носит семь жёлтых фонарей|красит деревянный мост|никогда не пишет длинных писем"
            "|купил свежий хлеб и масло|чинит старинную машину|слушает далёкий гром",
            "перед долгой зимой|около открытого рынка|каждое воскресенье утром"
            "|за окном кухни|в тёмном лесу|почти одиннадцать часов",
        ),
    },
    "cv": {
        "en": (
            "the famous painter|a hungry student|his little brother",
            "opened thirty bottles|cleaned the marble stairs|forgot the silver key",
            "at the railway station|during a warm evening|under some apple trees",
        ),
        "de": (
            "der berühmte Maler|ein hungriger Student|sein kleiner Bruder",
            "öffnet dreißig Flaschen|putzt die steile Treppe|vergisst den silbernen Schlüssel",
            "am Bahnhof|an einem warmen Abend|unter den Apfelbäumen",
        ),
        "fr": (
            "le peintre célèbre|un étudiant affamé|son petit frère",
            "ouvre trente bouteilles|nettoie les marches|oublie la clé en argent",
            "à la gare|un soir tiède|sous les pommiers",
        ),
        "es": (
            "el pintor famoso|un estudiante hambriento|su hermano pequeño",
            "abre treinta botellas|limpia la escalera|olvida la llave plateada",
            "en la estación|una tarde cálida|bajo los manzanos",
        ),
        "it": (
            "il pittore famoso|uno studente affamato|suo fratello",
            "apre trenta bottiglie|pulisce le scale|dimentica la chiave",
            "alla stazione|una sera calda|sotto i meli",
        ),
        "nl": (
            "de beroemde schilder|een hongerige student|zijn kleine broer",
            "opent dertig flessen|poetst de marmeren trap|vergeet de zilveren sleutel",
            "op het station|op een warme avond|onder de appelbomen",
        ),
        "pl": (
            "sławny malarz|głodny student|jego mały brat",
            "otwiera trzydzieści butelek|sprząta schody|gubi srebrny klucz",
            "na dworcu|ciepłym wieczorem|pod jabłonią",
        ),
        "sv": (
            "den berömda målaren|en hungrig student|hans lilla bror",
            "öppnar trettio flaskor|städar trappan|glömmer nyckeln av silver",
            "på stationen|en varm kväll|under äppelträden",
        ),
        "pt": (
            "o pintor famoso|um estudante faminto|seu irmão menor",
            "abre trinta garrafas|limpa a escada|esquece a chave de prata",
            "na estação|numa tarde quente|sob as macieiras",
        ),
        "ru": (
            "известный художник|голодный студент|его младший брат",
            "открыл тридцать бутылок|моет лестницу|забыл серебряный ключ",
            "на вокзале|тёплым вечером|под яблоней",
        ),
    },
    "tt": {
        "en": (
            "the rich merchant|a shy musician|their favourite uncle|this brave soldier",
            "lost twelve golden coins|built a stone castle|cooked spicy chicken soup"
            "|heard strange voices outside",
            "after the summer holiday|beside that frozen lake|across the busy street"
            "|on Thursday afternoon",
        ),
        "de": (
            "der reiche Kaufmann|eine scheue Sängerin|sein Onkel|jener tapfere Soldat",
            "verliert zwölf goldene Münzen|baut ein Schloss aus Stein|kocht scharfe Suppe"
            "|erkennt fremde Stimmen",
            "nach den Ferien im Sommer|neben dem See|quer über die Straße|am Donnerstag",
        ),
        "fr": (
            "le riche marchand|une timide chanteuse|leur oncle préféré|ce brave soldat",
            "perd douze pièces dorées|bâtit un château|prépare une soupe au poulet"
            "|entend des voix étranges",
            "après les vacances|au bord du lac gelé|à travers la rue|jeudi à midi",
        ),
        "es": (
            "el rico mercader|una tímida cantante|nuestro tío favorito|aquel soldado valiente",
            "pierde doce monedas de oro|construye un castillo|cocina una sopa picante"
            "|oye voces extrañas",
            "tras las vacaciones de verano|junto al lago|por toda la calle|el jueves",
        ),
        "it": (
            "il ricco mercante|una timida cantante|lo zio preferito|quel soldato coraggioso",
            "perde dodici monete d'oro|costruisce un castello|cuoce una zuppa piccante"
            "|sente voci strane",
            "dopo le vacanze estive|accanto al lago|per la strada|giovedì pomeriggio",
        ),
        "nl": (
            "de rijke koopman|een verlegen zangeres|hun oom|die dappere soldaat",
            "verliest twaalf gouden munten|bouwt een kasteel|kookt pittige soep"
            "|merkt vreemde stemmen op",
            "na de vakantie in de zomer|naast het meer|midden op straat|donderdag om twee uur",
        ),
        "pl": (
            "bogaty kupiec|nieśmiała śpiewaczka|ulubiony wujek|tamten dzielny żołnierz",
            "traci dwanaście złotych monet|buduje zamek z kamienia|gotuje ostrą zupę"
            "|słyszy dziwne głosy",
            "po letnich wakacjach|koło jeziora|przez całą ulicę|w czwartek po południu",
        ),
        "sv": (
            "den rika köpmannen|en blyg sångerska|deras farbror|soldaten",
            "tappar tolv mynt av guld|bygger ett slott|kokar stark soppa|hör okända röster",
            "efter semestern|vid den frusna sjön|tvärs över gatan|på torsdag",
        ),
        "pt": (
            "o rico mercador|uma cantora tímida|nosso tio favorito|aquele soldado valente",
            "perde doze moedas de ouro|constrói um castelo|prepara uma sopa picante"
            "|ouve vozes estranhas",
            "depois das férias de verão|ao lado do lago|pela rua toda|na quinta",
        ),
        "ru": (
            "богатый купец|робкая певица|наш любимый дядя|этот храбрый солдат",
            "теряет двенадцать золотых монет|строит каменный замок|варит острый суп"
            "|слышит странные голоса",
            "после летних каникул|возле озера|через всю улицу|в четверг днём",
        ),
    },
    "far": {  # languages of other families than those above
        "fi": (
            "vanha merimies|nuori naapurini|väsynyt lääkäri|viisas tytär",
            "kantaa seitsemää keltaista lyhtyä|maalaa puisen sillan|ostaa tuoretta leipää"
            "|korjaa vanhaa konetta",
            "ennen pitkää talvea|avoimella torilla|joka sunnuntai|keittiön ikkunan takana",
        ),
        "hu": (
            "az öreg tengerész|fiatal szomszédom|a fáradt orvos|okos lánya",
            "hét sárga lámpást visz|fahidat fest|friss kenyeret vesz|régi gépet javít",
            "a hosszú tél előtt|a nyitott piacon|minden vasárnap reggel|a konyha ablaka mögött",
        ),
        "tr": (
            "yaşlı denizci|genç komşum|yorgun doktor|akıllı kızı",
            "yedi sarı fener taşıyor|ahşap köprüyü boyuyor|taze ekmek alıyor|makineyi onarıyor",
            "uzun kıştan önce|açık pazarda|her pazar sabahı|mutfak penceresinin arkasında",
        ),
        "sw": (
            "baharia mzee|jirani yangu kijana|daktari aliyechoka|binti yake mwerevu",
            "anabeba taa saba za njano|anapaka rangi daraja la mbao|ananunua mkate mpya"
            "|anatengeneza mashine ya zamani",
            "kabla ya baridi ndefu|karibu na soko|kila jumapili asubuhi|nyuma ya dirisha la jikoni",
        ),
        "id": (
            "pelaut tua itu|tetangga muda saya|perawat yang lelah|putrinya yang cerdas",
            "membawa tujuh lentera kuning|mengecat jembatan kayu|membeli roti segar"
            "|memperbaiki mesin kuno",
            "sebelum musim dingin|di dekat pasar|setiap minggu pagi|di belakang jendela dapur",
        ),
    },
}


def draw_sentence(random: np.random.Generator, split: str, language: str) -> str:
    """One sentence, now and then without its adverbial or with that in front."""
    subject, predicate, adverbial = (
        random.choice(phrases.split("|")) for phrases in PHRASES[split][language]
    )
    forms = (
        f"{subject} {predicate} {adverbial}",
        f"{adverbial}, {subject} {predicate}",
        f"{subject} {predicate}",
    )
    return random.choice(forms) + random.choice([".", "?", "!"])
