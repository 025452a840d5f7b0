//! Names and notes for invented people. Some notes are as awkward as real ones: tabs, line ends,
//! quotes, backslashes, characters of four bytes, and words that loaders take for something else.

pub(super) const FIRST_NAMES: [&str; 40] = [
    "Ada", "Amos", "Anna", "Ben", "Bianca", "Carl", "Celia", "Chloé", "Dana", "Diego", "Edith", "Elias", "Emma",
    "Farid", "Fiona", "George", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jasmin", "John", "Kofi", "Lena", "Liam",
    "Maria", "Mateo", "Mei", "Nadia", "Noah", "Olga", "Omar", "Paula", "Quinn", "Rosa", "Samuel", "Tara", "Uma", "Zoë",
];

pub(super) const LAST_NAMES: [&str; 40] = [
    "Abbott", "Alvarez", "Baker", "Becker", "Bianchi", "Brown", "Chen", "Clark", "Cohen", "D'Angelo", "Davis",
    "Dubois", "Evans", "Fischer", "Garcia", "Green", "Haddad", "Hansen", "Hill", "Ito", "Jensen", "Johnson", "Kaya",
    "Kim", "Kowalski", "Lee", "Lopez", "Martin", "Müller", "Nguyen", "O'Brien", "Okafor", "Patel", "Rossi", "Santos",
    "Silva", "Smith", "Taylor", "Walker", "Yılmaz",
];

pub(super) const STREETS: [&str; 8] =
    ["Oak St", "Maple Ave", "Lake Rd", "Hill Ln", "2nd St", "Mill Ct", "River Dr", "Station Sq"];

pub(super) const TOWNS: [(&str, &str); 5] = [
    ("Springfield", "62701"),
    ("Riverton", "62561"),
    ("Chatham", "62629"),
    ("Rochester", "62563"),
    ("Auburn", "62615"),
];

pub(super) const NOTES: [&str; 12] = [
    "Reviewed medical history, no changes.",
    "Patient reports sensitivity to cold on the upper left.",
    "1 carp lidocaine 2% with epi 1:100k. Tolerated well.",
    "Called patient, left a message.",
    "Explained the treatment plan; patient will think about it.",
    "EOB received and posted.",
    "Patient asked to move the appointment. Will call back.",
    "Gums bleed on probing. Showed how to floss.",
    "Post-op instructions given, in writing too.",
    "Insurance verified by phone.",
    "Shade A2 chosen with the patient in daylight.",
    "Running late, please text ahead.",
];

pub(super) const AWKWARD_NOTES: [&str; 8] = [
    "tooth\t14\tcrown\nseated,\r\nbite checked",
    "said \"it doesn't hurt\" \\ 'maybe a bit'",
    "🦷 thanked us with 😀 and a thumbs up 👍🏽",
    "\\N",
    "NULL",
    "C:\\OpenDentImages\\S\\Smith_12\\bw.jpg",
    "  leading and trailing blanks  ",
    "naïve café — “quotes”, 中文, עברית",
];

pub(super) const PROBLEMS: [&str; 8] =
    ["Diabetes", "Hypertension", "Asthma", "Pregnancy", "Heart murmur", "Arthritis", "Anxiety", "Sleep apnea"];

pub(super) const DRUGS: [&str; 8] =
    ["Amoxicillin", "Ibuprofen", "Metformin", "Lisinopril", "Atorvastatin", "Albuterol", "Aspirin", "Levothyroxine"];

pub(super) const ALLERGENS: [&str; 5] = ["Penicillin", "Latex", "Codeine", "Sulfa", "Nickel"];

pub(super) const CARRIERS: [&str; 10] = [
    "Prairie Dental Mutual",
    "Lakeside Health",
    "Evergreen Benefits",
    "Union Dental Plan",
    "Capitol Assurance",
    "Meadow Life",
    "Bluestem Dental",
    "Harbor Employees Trust",
    "Northern Star Dental",
    "State Workers Fund",
];
