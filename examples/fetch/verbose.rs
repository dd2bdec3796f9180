//! `-v`: what goes on, line by line.

use eyewall::http::Trace;

/// A step in the way that curl shows it: `*` before what is done, `>` and `<` before what goes out and comes in.
pub(crate) fn text(step: &Trace<'_>, insecure: bool) -> String {
    match step {
        Trace::Connecting {
            host, port, proxy, ..
        } => {
            let whom = if *proxy { "the proxy " } else { "" };
            format!("*   Trying {whom}{host} port {port}...\n")
        }
        Trace::Connected { local, remote, .. } => match (local, remote) {
            (Some(local), Some(remote)) => format!("* Connected to {remote} from {local}\n"),
            _ => "* Connected\n".into(),
        },
        Trace::Reused { remote, .. } => match remote {
            Some(remote) => format!("* Re-using the connection to {remote}\n"),
            None => "* Re-using a connection\n".into(),
        },
        Trace::Secured {
            version,
            cipher,
            alpn,
            resumed,
            certificates,
            ..
        } => {
            let session = if *resumed { ", resumed" } else { "" };
            let alpn = alpn.map_or("*  ALPN: not a subject\n".into(), |alpn| {
                format!("*  ALPN: {alpn}\n")
            });
            let verdict = match insecure {
                true => "not looked at (-k)",
                false => "accepted",
            };
            format!(
                "* TLS connection using {version} / {cipher}{session}\n{alpn}*  Certificate: {verdict}, {} shown\n",
                certificates.len()
            )
        }
        Trace::Request(head) => prefixed("> ", &head.to_string()),
        Trace::Response(head) => prefixed("< ", &String::from_utf8_lossy(head.headers.text())),
        Trace::Redirected { to, .. } => format!("* Issue another request to this URL: '{to}'\n"),
        _ => String::new(),
    }
}

/// Control characters, which could tell a terminal to do things, are shown as they would be written.
fn prefixed(prefix: &str, head: &str) -> String {
    let mut text = String::new();
    for line in head.lines() {
        text.push_str(prefix);
        for letter in line.chars() {
            match letter.is_control() && letter != '\t' {
                true => text.extend(letter.escape_default()),
                false => text.push(letter),
            }
        }
        text.push('\n');
    }
    text
}
