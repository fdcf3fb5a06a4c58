//! The words that users are made of.

/// First names.
#[rustfmt::skip]
pub const FIRST_NAMES: &[&str] = &[
    "Ada", "Adrian", "Aisha", "Alan", "Alba", "Alexei", "Alice", "Alma", "Amara", "Amir", "Ana", "Andre", "Anika",
    "Anton", "Arthur", "Asha", "Astrid", "August", "Aurora", "Axel", "Beatriz", "Benoit", "Bianca", "Bjorn",
    "Boris", "Bram", "Bruno", "Camila", "Carl", "Carmen", "Cecile", "Celia", "Chen", "Chiara", "Clara", "Claude",
    "Cora", "Cyrus", "Dagny", "Dario", "Daria", "David", "Delia", "Dieter", "Dina", "Dmitri", "Dora", "Edgar",
    "Edith", "Elena", "Eli", "Elif", "Ella", "Elsa", "Emil", "Emma", "Enzo", "Erik", "Esther", "Eva", "Farah",
    "Felix", "Fenna", "Fiona", "Flora", "Frank", "Freya", "Frida", "Gabriel", "Gemma", "Georg", "Gina", "Giulia",
    "Grace", "Greta", "Gustav", "Hana", "Hans", "Harriet", "Hassan", "Hector", "Heidi", "Helena", "Henrik", "Hugo",
    "Ida", "Igor", "Ilse", "Imani", "Ines", "Ingrid", "Ioana", "Irene", "Isak", "Ivan", "Ivy", "Jakob", "Jana",
    "Jasper", "Javier", "Jelena", "Joan", "Joel", "Johan", "Jonas", "Josefa", "Juan", "Julia", "Kai", "Karim",
    "Karin", "Kasper", "Katya", "Keiko", "Klara", "Knut", "Kofi", "Lars", "Laura", "Lea", "Leila", "Leo", "Lena",
    "Liam", "Lina", "Linus", "Lisa", "Livia", "Louis", "Lucia", "Luka", "Luna", "Lydia", "Mads", "Magda", "Malik",
    "Marco", "Maria", "Marta", "Mateo", "Matilda", "Maud", "Max", "Mei", "Mia", "Milan", "Mina", "Mira", "Miriam",
    "Moritz", "Nadia", "Naomi", "Nate", "Nelly", "Nico", "Nils", "Nina", "Noa", "Noor", "Nora", "Olaf", "Olga",
    "Oliver", "Omar", "Oscar", "Otto", "Pablo", "Paula", "Pavel", "Pedro", "Petra", "Pia", "Priya", "Quentin",
    "Rafael", "Ravi", "Rebecca", "Remy", "Renata", "Rhea", "Rita", "Robin", "Roman", "Rosa", "Ruben", "Ruth",
    "Samir", "Sanna", "Sara", "Selma", "Simon", "Sofia", "Stella", "Sven", "Tamar", "Tariq", "Tessa", "Theo",
    "Tilda", "Tomas", "Uma", "Ursula", "Vera", "Victor", "Vida", "Viola", "Walter", "Wanda", "Willem", "Xenia",
    "Yara", "Yasmin", "Yosef", "Yuki", "Yusuf", "Zara", "Zelda", "Zoltan",
];

/// What stands before or after a name.
#[rustfmt::skip]
pub const TITLES: &[&str] = &[
    "Dr.", "Prof.", "Mr.", "Mrs.", "Ms.", "Miss", "Mx.", "Sir", "Madam", "BA", "BSc", "MA", "MSc", "PhD", "MBA",
    "MD",
];

/// What the part of an e-mail address before the number is made of.
#[rustfmt::skip]
pub const EMAIL_WORDS: &[&str] = &[
    "amber", "anchor", "apricot", "arctic", "atlas", "badger", "bamboo", "banjo", "basalt", "beacon", "biscuit",
    "bison", "bonsai", "bramble", "breeze", "button", "cactus", "canvas", "caramel", "cedar", "cello", "chalk",
    "cider", "cinder", "clover", "cobalt", "comet", "copper", "coral", "cosmic", "cricket", "crystal", "cypress",
    "dahlia", "delta", "denim", "dragonfly", "drizzle", "dune", "echo", "eclipse", "elm", "ember", "falcon", "fern",
    "fiddle", "firefly", "flint", "forest", "fossil", "garnet", "ginger", "glacier", "granite", "hazel", "heron",
    "hollow", "horizon", "indigo", "island", "ivory", "jasper", "juniper", "kelp", "kettle", "kiwi", "lagoon",
    "lantern", "lemon", "lichen", "lilac", "lotus", "lunar", "magnet", "mango", "maple", "marble", "marigold",
    "meadow", "mellow", "meteor", "mint", "mosaic", "nectar", "nimbus", "nutmeg", "oak", "oasis", "ocean", "olive",
    "onyx", "opal", "orbit", "orchid", "otter", "pebble", "pepper", "pine", "pixel", "plume", "polar", "poppy",
    "prism", "quartz", "quiet", "quill", "raven", "reef", "ribbon", "river", "robin", "saffron", "sage", "sierra",
    "silver", "sparrow", "spruce", "stellar", "summit", "tandem", "thistle", "thunder", "topaz", "tulip", "tundra",
    "velvet", "violet", "walnut", "willow", "winter", "wren", "yarrow", "zephyr", "zinnia",
];

/// Domains that are kept free for examples: mail to them reaches nobody.
#[rustfmt::skip]
pub const EMAIL_DOMAINS: &[&str] = &[
    "example.com", "example.org", "example.net",
];

/// Genders.
#[rustfmt::skip]
pub const GENDERS: &[&str] = &[
    "Female", "Male", "Fluid", "Other",
];

/// Languages.
#[rustfmt::skip]
pub const LANGUAGES: &[&str] = &[
    "Albanian", "Amharic", "Arabic", "Armenian", "Basque", "Bengali", "Bosnian", "Breton", "Bulgarian", "Catalan",
    "Croatian", "Czech", "Danish", "Dutch", "English", "Estonian", "Faroese", "Finnish", "French", "Frisian",
    "Galician", "Georgian", "German", "Greek", "Hausa", "Hebrew", "Hindi", "Hungarian", "Icelandic", "Igbo",
    "Indonesian", "Irish", "Italian", "Japanese", "Javanese", "Kannada", "Kazakh", "Khmer", "Korean", "Kurdish",
    "Lao", "Latvian", "Lithuanian", "Luxembourgish", "Macedonian", "Malay", "Maltese", "Mandarin", "Maori",
    "Marathi", "Mongolian", "Nepali", "Norwegian", "Persian", "Polish", "Portuguese", "Punjabi", "Quechua",
    "Romanian", "Romansh", "Russian", "Scottish Gaelic", "Serbian", "Sinhala", "Slovak", "Slovene", "Somali",
    "Spanish", "Swahili", "Swedish", "Tamil", "Telugu", "Thai", "Turkish", "Ukrainian", "Urdu", "Vietnamese",
    "Welsh", "Xhosa", "Yoruba", "Zulu",
];

/// Academic degrees.
#[rustfmt::skip]
pub const ACADEMIC_DEGREES: &[&str] = &[
    "Bachelor", "Master", "PhD",
];

/// Nationalities.
#[rustfmt::skip]
pub const NATIONALITIES: &[&str] = &[
    "Algerian", "American", "Argentinian", "Australian", "Austrian", "Belgian", "Bolivian", "Brazilian", "British",
    "Bulgarian", "Canadian", "Chilean", "Chinese", "Colombian", "Croatian", "Cuban", "Czech", "Danish", "Dutch",
    "Ecuadorian", "Egyptian", "Estonian", "Ethiopian", "Finnish", "French", "German", "Ghanaian", "Greek",
    "Hungarian", "Icelandic", "Indian", "Indonesian", "Irish", "Italian", "Jamaican", "Japanese", "Kenyan",
    "Korean", "Latvian", "Lithuanian", "Malaysian", "Mexican", "Moroccan", "Nigerian", "Norwegian", "Pakistani",
    "Peruvian", "Polish", "Portuguese", "Romanian", "Senegalese", "Serbian", "Slovak", "South African", "Spanish",
    "Swedish", "Swiss", "Thai", "Tunisian", "Turkish", "Ukrainian", "Uruguayan", "Vietnamese",
];

/// Occupations.
#[rustfmt::skip]
pub const OCCUPATIONS: &[&str] = &[
    "Accountant", "Actor", "Acoustician", "Agronomist", "Animator", "Anthropologist", "Arborist", "Archaeologist",
    "Architect", "Archivist", "Astronomer", "Auctioneer", "Baker", "Barber", "Beekeeper", "Biologist", "Blacksmith",
    "Boat Builder", "Bookbinder", "Bookseller", "Botanist", "Brewer", "Bricklayer", "Bus Driver", "Butcher",
    "Cabinet Maker", "Carpenter", "Cartographer", "Chef", "Chemist", "Choreographer", "Civil Engineer",
    "Clockmaker", "Composer", "Conductor", "Confectioner", "Cooper", "Court Clerk", "Crane Operator", "Curator",
    "Cyclist", "Dairy Farmer", "Data Engineer", "Dentist", "Dietician", "Diver", "Dressmaker", "Economist",
    "Editor", "Electrician", "Engraver", "Entomologist", "Farrier", "Ferry Captain", "Film Editor", "Firefighter",
    "Fishmonger", "Florist", "Forester", "Furrier", "Gardener", "Geologist", "Glassblower", "Glazier", "Goldsmith",
    "Graphic Designer", "Harbour Pilot", "Historian", "Horologist", "Illustrator", "Interpreter", "Ironmonger",
    "Janitor", "Jeweller", "Journalist", "Judge", "Kite Maker", "Laboratory Technician", "Lawyer", "Librarian",
    "Lighthouse Keeper", "Locksmith", "Luthier", "Machinist", "Mail Carrier", "Marine Biologist", "Mason",
    "Mathematician", "Mechanic", "Meteorologist", "Midwife", "Miller", "Miner", "Music Teacher", "Notary", "Nurse",
    "Oceanographer", "Optician", "Orchestra Manager", "Organ Builder", "Paediatrician", "Painter", "Park Ranger",
    "Pastry Chef", "Pharmacist", "Photographer", "Physicist", "Piano Tuner", "Pilot", "Plasterer", "Plumber",
    "Poet", "Postmaster", "Potter", "Printer", "Proofreader", "Psychologist", "Puppeteer", "Quantity Surveyor",
    "Radiographer", "Railway Guard", "Roofer", "Rope Maker", "Saddler", "Sailmaker", "School Teacher", "Sculptor",
    "Seamstress", "Shepherd", "Shipwright", "Shoemaker", "Signal Engineer", "Silversmith", "Sociologist",
    "Soil Scientist", "Sound Engineer", "Stage Manager", "Stonemason", "Surgeon", "Surveyor", "Tailor", "Tanner",
    "Taxi Driver", "Thatcher", "Toolmaker", "Tour Guide", "Town Planner", "Translator", "Tree Surgeon", "Tuner",
    "Typesetter", "Upholsterer", "Veterinarian", "Violin Maker", "Vintner", "Waiter", "Watchmaker", "Weaver",
    "Welder", "Wheelwright", "Wood Turner", "Zoologist",
];

/// Blood types, with a real minus sign.
#[rustfmt::skip]
pub const BLOOD_TYPES: &[&str] = &[
    "O+", "O−", "A+", "A−", "B+", "B−", "AB+", "AB−",
];

/// Street names.
#[rustfmt::skip]
pub const STREETS: &[&str] = &[
    "Acorn", "Alder", "Almond", "Amber", "Anchor", "Apple", "Arbor", "Ash", "Aspen", "Autumn", "Barley", "Bay",
    "Beacon", "Beech", "Bell", "Birch", "Blossom", "Bluebell", "Bridge", "Brook", "Cable", "Canal", "Candle",
    "Canyon", "Castle", "Cedar", "Cherry", "Chestnut", "Church", "Clover", "Coach", "Cobble", "Copper", "Coral",
    "Cottage", "Court", "Cove", "Creek", "Crescent", "Crown", "Cypress", "Daisy", "Dale", "Dawn", "Deer", "Dock",
    "Dove", "Eagle", "East", "Elder", "Elm", "Ember", "Falcon", "Fern", "Ferry", "Field", "Fir", "Forest", "Forge",
    "Fountain", "Fox", "Garden", "Gate", "Glen", "Granite", "Grove", "Harbor", "Hawthorn", "Hazel", "Heather",
    "Heron", "Hickory", "High", "Hill", "Holly", "Iron", "Ivy", "Jasmine", "Juniper", "Kestrel", "Kiln", "King",
    "Lake", "Lantern", "Larch", "Lark", "Laurel", "Lavender", "Lilac", "Lime", "Linden", "Long", "Magnolia", "Main",
    "Maple", "Market", "Meadow", "Mill", "Mint", "Moss", "Mulberry", "North", "Oak", "Olive", "Orchard", "Otter",
    "Palm", "Park", "Pear", "Pebble", "Pine", "Plum", "Pond", "Poplar", "Quarry", "Quince", "Raven", "Ridge",
    "River", "Robin", "Rose", "Rowan", "Saffron", "Sage", "School", "Shore", "Silver", "South", "Spring", "Spruce",
    "Station", "Stone", "Sycamore", "Thistle", "Thorn", "Thyme", "Tower", "Valley", "Vine", "Walnut", "Water",
    "West", "Willow", "Wren", "Yew",
];

/// Cities.
#[rustfmt::skip]
pub const CITIES: &[&str] = &[
    "Akron", "Albany", "Amarillo", "Anchorage", "Ann Arbor", "Asheville", "Athens", "Atlanta", "Augusta", "Austin",
    "Baltimore", "Bangor", "Baton Rouge", "Beaumont", "Bellingham", "Bend", "Billings", "Birmingham", "Bismarck",
    "Bloomington", "Boise", "Boston", "Boulder", "Bozeman", "Buffalo", "Burlington", "Casper", "Cedar Rapids",
    "Charleston", "Charlotte", "Chattanooga", "Cheyenne", "Chicago", "Cincinnati", "Cleveland", "Columbia",
    "Concord", "Corvallis", "Dallas", "Davenport", "Dayton", "Denver", "Des Moines", "Detroit", "Duluth", "Durham",
    "El Paso", "Erie", "Eugene", "Evansville", "Fargo", "Flagstaff", "Flint", "Fort Wayne", "Fresno", "Gainesville",
    "Galveston", "Gary", "Grand Rapids", "Great Falls", "Green Bay", "Greenville", "Hartford", "Helena", "Hilo",
    "Honolulu", "Houston", "Huntsville", "Idaho Falls", "Iowa City", "Ithaca", "Jackson", "Juneau", "Kalamazoo",
    "Kansas City", "Knoxville", "Lafayette", "Lansing", "Laramie", "Las Cruces", "Lexington", "Lincoln",
    "Little Rock", "Louisville", "Lubbock", "Macon", "Madison", "Manchester", "Memphis", "Miami", "Milwaukee",
    "Minneapolis", "Missoula", "Mobile", "Montgomery", "Nashville", "New Haven", "New Orleans", "Norfolk", "Norman",
    "Oakland", "Ogden", "Olympia", "Omaha", "Orlando", "Oxford", "Pensacola", "Peoria", "Philadelphia", "Phoenix",
    "Pittsburgh", "Pocatello", "Portland", "Providence", "Provo", "Pueblo", "Raleigh", "Rapid City", "Reno",
    "Richmond", "Roanoke", "Rochester", "Rockford", "Sacramento", "Salem", "Salina", "San Antonio", "San Diego",
    "Santa Fe", "Savannah", "Scranton", "Seattle", "Shreveport", "Sioux Falls", "South Bend", "Spokane",
    "Springfield", "St. Louis", "Stockton", "Syracuse", "Tacoma", "Tampa", "Toledo", "Topeka", "Trenton", "Tucson",
    "Tulsa", "Tuscaloosa", "Utica", "Waco", "Wichita", "Wilmington", "Worcester", "Yakima", "York", "Youngstown",
    "Yuma",
];

/// States; provinces as well.
#[rustfmt::skip]
pub const STATES: &[&str] = &[
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "Florida",
    "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine",
    "Maryland", "Massachusetts", "Michigan", "Minnesota", "Mississippi", "Missouri", "Montana", "Nebraska",
    "Nevada", "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina", "North Dakota", "Ohio",
    "Oklahoma", "Oregon", "Pennsylvania", "Rhode Island", "South Carolina", "South Dakota", "Tennessee", "Texas",
    "Utah", "Vermont", "Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming",
];

/// Two-letter country codes.
#[rustfmt::skip]
pub const COUNTRY_CODES: &[&str] = &[
    "AD", "AE", "AF", "AG", "AL", "AM", "AO", "AR", "AT", "AU", "AZ", "BA", "BB", "BD", "BE", "BF", "BG", "BH",
    "BI", "BJ", "BN", "BO", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CF", "CG", "CH", "CI", "CL", "CM",
    "CN", "CO", "CR", "CU", "CV", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "ER", "ES",
    "ET", "FI", "FJ", "FM", "FR", "GA", "GB", "GD", "GE", "GH", "GM", "GN", "GQ", "GR", "GT", "GW", "GY", "HN",
    "HR", "HT", "HU", "ID", "IE", "IL", "IN", "IQ", "IR", "IS", "IT", "JM", "JO", "JP", "KE", "KG", "KH", "KI",
    "KM", "KN", "KR", "KW", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC",
    "MD", "ME", "MG", "MH", "MK", "ML", "MM", "MN", "MR", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NE",
    "NG", "NI", "NL", "NO", "NP", "NR", "NZ", "OM", "PA", "PE", "PG", "PH", "PK", "PL", "PT", "PW", "PY", "QA",
    "RO", "RS", "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SI", "SK", "SL", "SM", "SN", "SO", "SR", "SS",
    "ST", "SV", "SY", "SZ", "TD", "TG", "TH", "TJ", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TZ", "UA", "UG",
    "US", "UY", "UZ", "VA", "VC", "VE", "VN", "VU", "WS", "YE", "ZA", "ZM", "ZW",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_needs_escaping_and_none_comes_twice() {
        for words in [
            FIRST_NAMES,
            TITLES,
            EMAIL_WORDS,
            EMAIL_DOMAINS,
            GENDERS,
            LANGUAGES,
            ACADEMIC_DEGREES,
            NATIONALITIES,
            OCCUPATIONS,
            BLOOD_TYPES,
            STREETS,
            CITIES,
            STATES,
            COUNTRY_CODES,
        ] {
            for (index, word) in words.iter().enumerate() {
                assert_eq!(serde_json::json!(word).to_string(), format!("\"{word}\""));
                assert!(!words[..index].contains(word), "{word}");
            }
        }
    }
}
