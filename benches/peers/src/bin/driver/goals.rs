//! The goals that a run can decide.

use crate::args::Part::{self, Echo, Fetch, Idle, IdleClient, Micro, Neighbour, Tls};
use crate::sample::Samples;
use crate::{echo, fetch, idle, idle_client, micro, neighbour, tls};

const OWN: &str = "eyewall";
const FLOOR: &str = "floor";

/// Prints a line for each goal for which there are samples.
pub fn print(samples: &Samples) {
    let goals = Goals { samples };
    println!();
    goals.echo();
    goals.fetch();
    goals.cold();
    goals.tls();
    goals.others();
    goals.idle_client();
}

struct Goals<'a> {
    samples: &'a Samples,
}

impl Goals<'_> {
    fn echo(&self) {
        let one = echo::load(1);
        self.at_least(
            &one,
            "rate to tokio's",
            self.ratio(Echo, &one, "tokio", "rate"),
            2.0,
        );
        self.at_most(
            &one,
            "CPU to the floor's",
            self.ratio(Echo, &one, FLOOR, "cpu_us"),
            1.1,
        );
        for connections in [64, 1000] {
            let load = echo::load(connections);
            self.at_most(
                &load,
                "CPU to the floor's",
                self.ratio(Echo, &load, FLOOR, "cpu_us"),
                1.03,
            );
            self.at_most(
                &load,
                "CPU to the best peer's",
                self.to_best_peer(Echo, &load, "cpu_us", f64::min),
                1.0,
            );
        }
        // Accepting and the start are among the counted calls, hence the 0.05.
        // Looking for completions is an enter each: what a request needs is seen where the reactor parks.
        let enters = |load: &str, contender| self.samples.median(Echo, load, contender, "enters");
        self.at_most(
            &one,
            "enters without the spin",
            enters(&one, "eyewall-no-spin"),
            1.05,
        );
        self.at_most(&echo::load(64), "enters", enters(&echo::load(64), OWN), 0.1);
    }

    fn fetch(&self) {
        let one = fetch::load("1 KiB", 1);
        self.at_least(
            &one,
            "rate to the best peer's",
            self.to_best_peer(Fetch, &one, "rate", f64::max),
            2.0,
        );
        self.at_most(
            &one,
            "CPU to the best peer's",
            self.to_best_peer(Fetch, &one, "cpu_us", f64::min),
            1.0,
        );
        let many = fetch::load("1 KiB", 64);
        self.at_most(
            &many,
            "CPU to the floor's",
            self.ratio(Fetch, &many, FLOOR, "cpu_us"),
            1.15,
        );
        self.at_most(
            &many,
            "user µs",
            self.samples.median(Fetch, &many, OWN, "user_us"),
            1.2,
        );
        for concurrency in [1, 64] {
            let load = fetch::load("1 MiB", concurrency);
            self.at_least(
                &load,
                "MB/s to the best peer's",
                self.to_best_peer(Fetch, &load, "mb_s", f64::max),
                1.5,
            );
            self.at_most(
                &load,
                "CPU to the floor's",
                self.ratio(Fetch, &load, FLOOR, "cpu_us"),
                1.1,
            );
        }
    }

    fn cold(&self) {
        for concurrency in [1, 64] {
            let load = fetch::load(fetch::COLD, concurrency);
            self.at_most(
                &load,
                "CPU to the floor's",
                self.ratio(Fetch, &load, FLOOR, "cpu_us"),
                1.15,
            );
        }
    }

    fn tls(&self) {
        for body in ["1 KiB", "1 MiB"] {
            for concurrency in [1, 64] {
                let load = tls::load(body, concurrency);
                self.at_most(
                    &load,
                    "CPU to reqwest's",
                    self.ratio(Tls, &load, "reqwest", "cpu_us"),
                    1.0,
                );
            }
        }
    }

    fn others(&self) {
        for ((_, load), goal) in micro::LOADS.into_iter().zip([45.0, 100.0]) {
            self.at_most(
                load,
                "ns",
                self.samples.median(Micro, load, OWN, "ns"),
                goal,
            );
            self.at_most(
                load,
                "time to the best peer's",
                self.to_best_peer(Micro, load, "ns", f64::min),
                1.0,
            );
        }
        self.at_most(
            micro::PING_PONG,
            "time to the floor's",
            self.ratio(Micro, micro::PING_PONG, FLOOR, "wall_ns"),
            1.03,
        );
        self.at_most(
            idle::LOAD,
            "bytes",
            self.samples.median(Idle, idle::LOAD, OWN, "bytes"),
            512.0,
        );
        for load in [neighbour::IDLE, neighbour::ONE] {
            // Allows for what a measurement of a share of a core varies.
            self.at_least(
                load,
                "its share to that without the spin",
                self.samples
                    .ratio(Neighbour, load, [OWN, "eyewall-no-spin"], "share"),
                0.97,
            );
        }
    }

    fn idle_client(&self) {
        let median = |load, contender, name| self.samples.median(IdleClient, load, contender, name);
        for (name, what) in [("bytes", "bytes"), ("heap", "bytes of heap")] {
            let plain = median(idle_client::PLAIN, OWN, name);
            self.at_most(idle_client::PLAIN, what, plain, 1024.0);
            let secure = median(idle_client::TLS, OWN, name);
            let session = median(idle_client::TLS, "rustls-unbuffered", name);
            self.at_most(
                idle_client::TLS,
                &format!("{what} beyond rustls' session"),
                secure
                    .zip(session)
                    .map(|(secure, session)| secure - session),
                1024.0,
            );
        }
    }

    fn ratio(&self, part: Part, load: &str, to: &str, name: &str) -> Option<f64> {
        self.samples.ratio(part, load, [OWN, to], name)
    }

    /// The ratio to the peer with the best median; hand-written loops are no peers.
    fn to_best_peer(
        &self,
        part: Part,
        load: &str,
        name: &str,
        best: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let peers = self
            .samples
            .contenders(part, load)
            .into_iter()
            .filter(|contender| {
                !contender.starts_with(OWN)
                    && !contender.starts_with(FLOOR)
                    && *contender != "epoll"
            });
        let medians =
            peers.filter_map(|peer| Some((peer, self.samples.median(part, load, peer, name)?)));
        let (peer, _) = medians.reduce(|one, other| {
            if best(one.1, other.1) == one.1 {
                one
            } else {
                other
            }
        })?;
        self.ratio(part, load, peer, name)
    }

    fn at_least(&self, load: &str, what: &str, measured: Option<f64>, goal: f64) {
        line(load, what, "at least", measured, goal, |measured| {
            measured >= goal
        });
    }

    fn at_most(&self, load: &str, what: &str, measured: Option<f64>, goal: f64) {
        line(load, what, "at most", measured, goal, |measured| {
            measured <= goal
        });
    }
}

fn line(
    load: &str,
    what: &str,
    bound: &str,
    measured: Option<f64>,
    goal: f64,
    met: impl Fn(f64) -> bool,
) {
    if let Some(measured) = measured {
        let verdict = if met(measured) { "met" } else { "missed" };
        println!("goal: {load}; {what} {bound} {goal}; measured {measured:.2}; {verdict}");
    }
}
