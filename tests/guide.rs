//! The links of `docs/guide.md`, which are defined twice: there for who reads the file, in `src/guide.rs` for the
//! documentation. (Its examples run as tests of the documentation.)

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;

const GUIDE: &str = include_str!("../docs/guide.md");
const MODULE: &str = include_str!("../src/guide.rs");

/// Label and target of the links that `text` defines, each on a line of its own after `prefix`.
fn definitions<'a>(text: &'a str, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.lines()
        .filter_map(move |line| line.strip_prefix(prefix)?.split_once("`]: "))
}

/// The labels that the guide's text uses.
fn used() -> BTreeSet<&'static str> {
    let parts = GUIDE.split("[`").skip(1);
    let labels = parts.filter_map(|part| part.split_once("`]"));
    let used = labels.filter(|(_, rest)| !rest.starts_with(": "));
    used.map(|(label, _)| label).collect()
}

#[test]
fn every_link_is_defined_in_both_places() {
    let used = used();
    assert!(used.len() > 30, "{used:?}");
    let labels = |(label, _)| label;
    let in_file: BTreeSet<_> = definitions(GUIDE, "[`").map(labels).collect();
    let in_module: BTreeSet<_> = definitions(MODULE, "//! [`").map(labels).collect();
    assert_eq!(used, in_file);
    assert_eq!(used, in_module);
    // Markdown tells labels apart by more than their case.
    let folded: BTreeSet<_> = used.iter().map(|label| label.to_lowercase()).collect();
    assert_eq!(folded.len(), used.len(), "{used:?}");
}

#[test]
fn the_links_of_the_file_lead_to_sources() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (label, target) in definitions(GUIDE, "[`") {
        assert!(docs.join(target).is_file(), "{label}: {target}");
    }
}
