//! What the practice does and asks for it.

/// A procedure code: code, description, short name, fee in cents, kind, minutes.
pub(super) struct Code {
    /// The profession's code.
    pub(super) code: &'static str,
    /// What it is, in this practice's words.
    pub(super) name: &'static str,
    /// As the chart abbreviates it.
    pub(super) short: &'static str,
    /// The practice's own fee, in cents.
    pub(super) fee: i64,
    /// What kind of work it is.
    pub(super) kind: Work,
    /// Chair time.
    pub(super) minutes: i64,
}

/// Kinds of work: the insurance pays them differently, and the hygienist does some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Looking and imaging; paid whole.
    Diagnostic,
    /// Cleaning; paid whole, by the hygienist.
    Preventive,
    /// Fillings, extractions, root canals; paid mostly.
    Basic,
    /// Crowns, dentures, implants; paid half.
    Major,
    /// Not work: a missed or a cancelled appointment is charted as a procedure without fee.
    Absence,
}

impl Work {
    /// What an insurance pays of it.
    pub(super) fn insured_percent(self) -> i64 {
        match self {
            Self::Diagnostic | Self::Preventive => 100,
            Self::Basic => 80,
            Self::Major => 50,
            Self::Absence => 0,
        }
    }

    /// Whether it is done on one tooth.
    pub(super) fn has_tooth(self) -> bool {
        matches!(self, Self::Basic | Self::Major)
    }
}

/// The place of a kind in the definitions of code categories.
pub(super) const CATEGORIES: [&str; 5] =
    ["Exams & X-rays", "Cleanings", "Fillings & Endo", "Crowns & Prosth", "Never used"];

/// Names of places in [`CODES`] that visits are made of.
pub(super) mod place {
    /// The examination of a known patient.
    pub(in super::super) const EXAM: usize = 0;
    /// The examination in an emergency.
    pub(in super::super) const EMERGENCY: usize = 1;
    /// The first examination.
    pub(in super::super) const FIRST_EXAM: usize = 2;
    /// A single image.
    pub(in super::super) const IMAGE: usize = 4;
    /// Bitewings.
    pub(in super::super) const BITEWINGS: usize = 5;
    /// The full series of images.
    pub(in super::super) const FULL_SERIES: usize = 6;
    /// An adult's cleaning.
    pub(in super::super) const CLEANING: usize = 8;
    /// A child's cleaning.
    pub(in super::super) const CLEANING_CHILD: usize = 9;
    /// Fluoride varnish.
    pub(in super::super) const VARNISH: usize = 10;
    /// Fillings, from here …
    pub(in super::super) const FILLINGS: std::ops::Range<usize> = 14..22;
    /// Bigger work.
    pub(in super::super) const MAJOR: std::ops::Range<usize> = 22..37;
    /// The patient did not come.
    pub(in super::super) const MISSED: usize = 37;
    /// The patient called it off.
    pub(in super::super) const CANCELLED: usize = 38;
}

const fn code(
    code: &'static str,
    name: &'static str,
    short: &'static str,
    dollars: i64,
    kind: Work,
    minutes: i64,
) -> Code {
    Code { code, name, short, fee: dollars * 100, kind, minutes }
}

/// All codes; the key of each is its place plus one.
pub(super) const CODES: [Code; 39] = [
    code("D0120", "Checkup of a known patient", "PerEx", 58, Work::Diagnostic, 10),
    code("D0140", "Checkup of one problem", "LimEx", 84, Work::Diagnostic, 20),
    code("D0150", "First full checkup", "CompEx", 98, Work::Diagnostic, 30),
    code("D0180", "Gum checkup", "PerioEx", 104, Work::Diagnostic, 30),
    code("D0220", "Single image", "PA", 34, Work::Diagnostic, 5),
    code("D0274", "Four bitewings", "4BW", 73, Work::Diagnostic, 10),
    code("D0210", "Full series of images", "FMX", 148, Work::Diagnostic, 20),
    code("D0330", "Panoramic image", "Pano", 126, Work::Diagnostic, 10),
    code("D1110", "Cleaning, adult", "Pro", 104, Work::Preventive, 50),
    code("D1120", "Cleaning, child", "ChPro", 76, Work::Preventive, 30),
    code("D1206", "Fluoride varnish", "FlVarn", 44, Work::Preventive, 5),
    code("D1351", "Sealant", "Seal", 62, Work::Preventive, 10),
    code("D4910", "Cleaning after gum treatment", "PerMnt", 152, Work::Preventive, 60),
    code("D4355", "Heavy cleaning before a checkup", "Debr", 176, Work::Preventive, 60),
    code("D2140", "Silver filling, one surface", "A1", 148, Work::Basic, 40),
    code("D2150", "Silver filling, two surfaces", "A2", 186, Work::Basic, 50),
    code("D2330", "White filling front, one surface", "C1(A)", 172, Work::Basic, 40),
    code("D2331", "White filling front, two surfaces", "C2(A)", 214, Work::Basic, 50),
    code("D2391", "White filling back, one surface", "C1(P)", 194, Work::Basic, 40),
    code("D2392", "White filling back, two surfaces", "C2(P)", 246, Work::Basic, 50),
    code("D2393", "White filling back, three surfaces", "C3(P)", 301, Work::Basic, 60),
    code("D7140", "Extraction", "Ext", 198, Work::Basic, 30),
    code("D2740", "Ceramic crown", "PFC", 1342, Work::Major, 90),
    code("D2750", "Metal and ceramic crown", "PFM", 1288, Work::Major, 90),
    code("D2950", "Core build-up", "BU", 312, Work::Major, 30),
    code("D2954", "Post and core", "P&C", 386, Work::Major, 40),
    code("D3310", "Root canal, front", "RCT-A", 842, Work::Basic, 90),
    code("D3320", "Root canal, premolar", "RCT-PM", 964, Work::Basic, 90),
    code("D3330", "Root canal, molar", "RCT-M", 1196, Work::Basic, 120),
    code("D4341", "Deep cleaning of a quarter", "SRP", 274, Work::Basic, 60),
    code("D5110", "Upper denture", "FUD", 1876, Work::Major, 60),
    code("D5120", "Lower denture", "FLD", 1876, Work::Major, 60),
    code("D6010", "Implant", "Impl", 2247, Work::Major, 120),
    code("D6058", "Crown on an implant", "ImplCr", 1624, Work::Major, 60),
    code("D7210", "Surgical extraction", "SurgExt", 336, Work::Basic, 60),
    code("D9110", "Relief of pain", "Pall", 142, Work::Basic, 20),
    code("D9944", "Night guard", "NG", 624, Work::Major, 30),
    code("D9986", "Missed appointment", "Missed", 0, Work::Absence, 0),
    code("D9987", "Cancelled appointment", "Canc", 0, Work::Absence, 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_places_hold_what_they_say() {
        assert_eq!(CODES[place::EXAM].short, "PerEx");
        assert_eq!(CODES[place::EMERGENCY].short, "LimEx");
        assert_eq!(CODES[place::FIRST_EXAM].short, "CompEx");
        assert_eq!(CODES[place::FULL_SERIES].short, "FMX");
        assert_eq!(CODES[place::BITEWINGS].short, "4BW");
        assert_eq!(CODES[place::CLEANING_CHILD].short, "ChPro");
        assert_eq!(CODES[place::VARNISH].short, "FlVarn");
        assert!(CODES[place::FILLINGS].iter().all(|code| code.kind == Work::Basic));
        assert_eq!((CODES[place::MISSED].short, CODES[place::CANCELLED].short), ("Missed", "Canc"));
    }
}
