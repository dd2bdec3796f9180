//! Every seed, every finding that is there, and some thousands of changed seeds go through their targets without a
//! fuzzing engine: the same ones in every run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 7] = [
    ("chunk_decoder", eyewall_fuzz::chunk_decoder::run),
    ("content_coding", eyewall_fuzz::content_coding::run),
    ("fetch", eyewall_fuzz::fetch::run),
    ("header_encoder", eyewall_fuzz::header_encoder::run),
    ("no_proxy", eyewall_fuzz::no_proxy::run),
    ("response_decoder", eyewall_fuzz::response_decoder::run),
    ("url_redirect", eyewall_fuzz::url_redirect::run),
];

/// How many changed seeds each target gets.
const ROUNDS: usize = 2_000;

/// What is put in here and there.
const WORDS: [&[u8]; 16] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\0",
    b"\xff",
    b"0\r\n",
    b"/",
    b"@",
    b"close",
    b"Content-Length: 3\r\n",
];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below(input.len() - at + 1).min(16);
        match self.below(6) {
            0 if at < input.len() => input[at] = self.below(256) as u8,
            1 if at < input.len() => input[at] ^= 1 << self.below(8),
            2 => drop(input.drain(at..end)),
            3 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            4 => {
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }
}

/// What is in the files of a folder, in the order of their names.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run(name: &str, target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        panic!("{name} fails on b\"{}\"", input.escape_ascii());
    }
}

#[test]
fn every_seed_and_every_finding() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        let seeds = inputs(&root.join("seeds").join(name));
        assert!(!seeds.is_empty(), "no seed for {name}");
        for input in seeds
            .iter()
            .chain(&inputs(&root.join("artifacts").join(name)))
        {
            run(name, target, input);
        }
    }
}

#[test]
fn changed_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        let seeds = inputs(&root.join("seeds").join(name));
        let mut random = Random(0x5eed_5eed);
        for _ in 0..ROUNDS {
            let mut input = seeds[random.below(seeds.len())].clone();
            for _ in 0..1 + random.below(4) {
                let other = random.below(seeds.len());
                random.change(&mut input, &seeds[other]);
            }
            run(name, target, &input);
        }
    }
}

#[test]
fn every_target_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut names: Vec<_> = (fs::read_dir(folder).unwrap())
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}
