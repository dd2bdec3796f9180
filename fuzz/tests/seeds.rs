//! Every seed, and every finding that is there, goes through its target without a fuzzing engine.

use std::fs;
use std::path::Path;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("chunk_decoder", eyewall_fuzz::chunk_decoder::run),
    ("content_coding", eyewall_fuzz::content_coding::run),
    ("header_encoder", eyewall_fuzz::header_encoder::run),
    ("no_proxy", eyewall_fuzz::no_proxy::run),
    ("response_decoder", eyewall_fuzz::response_decoder::run),
    ("url_redirect", eyewall_fuzz::url_redirect::run),
];

/// Runs what is in a folder; says how much that was.
fn run_all(folder: &Path, target: Target) -> usize {
    let Ok(files) = fs::read_dir(folder) else {
        return 0;
    };
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        println!("{}", path.display());
        target(&fs::read(&path).unwrap());
        count += 1;
    }
    count
}

#[test]
fn every_seed_and_every_finding() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        assert!(
            run_all(&root.join("seeds").join(name), target) > 0,
            "no seed for {name}"
        );
        run_all(&root.join("artifacts").join(name), target);
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
