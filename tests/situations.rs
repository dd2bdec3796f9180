//! `SITUATIONS.md` says which test shows what: every situation is there, and every test that it names exists, runs, and
//! has the situation's id in its name.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;

/// How many situations of each kind there are.
const KINDS: [(char, usize); 9] = [
    ('F', 29),
    ('I', 9),
    ('B', 10),
    ('D', 7),
    ('P', 13),
    ('T', 10),
    ('R', 12),
    ('C', 12),
    ('S', 10),
];

const ROWS_OF_FRAMING: usize = 31;

/// The cells of every row of a table in this part of the page.
fn rows(part: &str) -> Vec<Vec<&str>> {
    let lines = part.lines().filter(|line| line.starts_with("| "));
    lines
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|row: &Vec<&str>| !row[0].starts_with("---"))
        .skip(1)
        .collect()
}

/// What stands between back quotes.
fn tests(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The text of a file that the page names.
fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = match file.starts_with("src/") {
        true => root.join(file),
        false => root.join("tests").join(file),
    };
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether `text` has a test of this name that runs.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else {
        return false;
    };
    let attributes = text[..at].lines().rev();
    let attributes = attributes.skip_while(|line| line.trim().is_empty());
    let attributes = attributes.take_while(|line| line.trim_start().starts_with("#["));
    let attributes: Vec<&str> = attributes.map(str::trim).collect();
    attributes.contains(&"#[test]") && !attributes.iter().any(|at| at.contains("ignore"))
}

fn page() -> (String, String) {
    let page = read("SITUATIONS.md");
    let (situations, framing) = page
        .split_once("# The table of framing")
        .expect("two tables");
    (situations.to_owned(), framing.to_owned())
}

#[test]
fn every_situation_is_in_the_table_once() {
    let (situations, _) = page();
    let found: Vec<String> = (rows(&situations).iter())
        .map(|row| row[0].to_owned())
        .collect();
    let wanted: Vec<String> = (KINDS.iter())
        .flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number:02}")))
        .collect();
    assert_eq!(wanted.len(), 112);
    assert_eq!(found, wanted);
}

#[test]
fn every_situation_has_its_tests_or_says_why_not() {
    let (situations, _) = page();
    for row in rows(&situations) {
        let [id, about, cell] = &row[..] else {
            panic!("{row:?} has other cells");
        };
        assert!(!about.is_empty(), "{id} says nothing");
        let named = tests(cell);
        assert!(
            !named.is_empty() || cell.starts_with("not here: "),
            "{id} has no test and no reason"
        );
        for test in named {
            let (file, name) = test.split_once("::").expect("a file and a function");
            assert!(has_test(&read(file), name), "{id}: there is no test {test}");
            let id = id.to_lowercase();
            let ids: BTreeSet<&str> = name.split('_').take_while(|part| is_id(part)).collect();
            assert!(ids.contains(&*id), "{test} does not have {id} in front");
        }
    }
}

/// Whether it looks like `f01`.
fn is_id(part: &str) -> bool {
    let mut letters = part.chars();
    let kind = letters.next().is_some_and(|kind| kind.is_ascii_lowercase());
    kind && part.len() == 3 && letters.all(|digit| digit.is_ascii_digit())
}

#[test]
fn every_row_of_the_framing_table_has_a_test_of_the_codec_and_one_over_a_socket() {
    let (_, framing) = page();
    let rows = rows(&framing);
    assert_eq!(rows.len(), ROWS_OF_FRAMING);
    for row in rows {
        let [about, codec, socket] = &row[..] else {
            panic!("{row:?} has other cells");
        };
        for (cell, is_codec) in [(codec, true), (socket, false)] {
            let named = tests(cell);
            assert!(!named.is_empty(), "{about} has no test");
            for test in named {
                let (file, name) = test.split_once("::").expect("a file and a function");
                assert_eq!(file.starts_with("src/http/codec/"), is_codec, "{test}");
                assert!(
                    has_test(&read(file), name),
                    "{about}: there is no test {test}"
                );
            }
        }
    }
}
