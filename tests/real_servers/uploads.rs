//! What is sent to a server that takes files, whichever it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use eyewall::http::Method;

use crate::process::Server;
use crate::support::{Watched, answer, expect_body, large, produced, run};

/// The length of what is sent.
const LENGTH: usize = 32 << 20;

/// A path to send to, whether leave is asked for, and whether the length is told.
pub type Upload = (&'static str, bool, bool);

/// Sends files, fetches and deletes them, all on one connection.
pub fn with_leave_and_without(server: &Server, uploads: &[Upload]) {
    let bytes = &large()[..LENGTH];
    run(async {
        let watched = Watched::new();
        for (path, expect, known) in uploads {
            let interim = Rc::new(RefCell::new(Vec::new()));
            let seen = Rc::clone(&interim);
            let (mut body, _) = produced(bytes);
            if *known {
                body = body.with_length(LENGTH as u64);
            }
            let request = watched
                .client
                .put(server.url(path))
                .body(body)
                // The server must answer, not the clock.
                .expect_continue(*expect)
                .expect_timeout(Duration::ZERO)
                .on_informational(move |head| seen.borrow_mut().push(head.status.as_u16()));
            assert_eq!(answer(request).await.0, 201, "{path}");
            let wanted: &[u16] = if *expect { &[100] } else { &[] };
            assert_eq!(*interim.borrow(), wanted);

            let mut response = watched.response(server.url(path)).await;
            expect_body(&mut response, bytes).await;
            let delete = watched.client.request(Method::DELETE, server.url(path));
            assert_eq!(answer(delete).await.0, 204);
        }
        assert_eq!(watched.connected(), 1);
    });
}

/// Sends to `path` more than may be sent there; the answer is a page with `text`.
pub fn too_large(server: &Server, path: &str, text: &str) {
    let bytes = &large()[..LENGTH];
    run(async {
        let watched = Watched::new();
        let url = server.url(path);
        for known in [false, true] {
            let (mut body, asked) = produced(bytes);
            if known {
                body = body.with_length(LENGTH as u64);
            }
            let (status, page) = answer(watched.client.put(&url).body(body)).await;
            assert_eq!(status, 413, "{page}");
            assert!(page.contains(text), "{page}");
            assert!(asked.get() < bytes.len(), "all was sent, known: {known}");
        }
        // By its length alone it is refused leave.
        let (body, asked) = produced(bytes);
        let request = (watched.client.put(&url)).body(body.with_length(LENGTH as u64));
        let refused = answer(request.expect_continue(true).expect_timeout(Duration::ZERO)).await;
        assert_eq!((refused.0, asked.get()), (413, 0));
        // None of these connections may be used again: what was announced never came.
        assert_eq!(watched.client.idle_connections(), 0);
        assert_eq!(answer(watched.client.put(&url).body("small")).await.0, 201);
    });
}
