//! The delivery style: results go to a bounded queue, each with its tag.

use super::Fetched;
use super::callback::{FetchHandle, check_reactor};
use super::cancel::Cancel;
use crate::http::RequestBuilder;
use crate::http::error::Error;
use crate::queue::{CompletionQueue, Giver};
use crate::task::in_background;

impl RequestBuilder {
    /// Sends the request, and puts its result to the end of `queue`, with a tag that says whose it is.
    ///
    /// A full queue is waited for, and nothing is lost: a result stays with its fetch until there is room. Where a
    /// reactor is shut down, which cannot wait, results go to the queue beyond its bound. A closed queue takes
    /// nothing, nor does one whose last clone has been dropped; what would go there is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Reactor`](crate::http::ErrorKind::Reactor) where no reactor runs, or it is being shut down. Only
    /// then the queue gets nothing.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     stream.read(&mut [0; 1000]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    /// # });
    /// use eyewall::http::Client;
    /// use eyewall::queue::CompletionQueue;
    ///
    /// eyewall::block_on(async {
    ///     let queue = CompletionQueue::bounded(16);
    ///     Client::new().get(url).deliver(&queue, "the page")?;
    ///     let (tag, result) = queue.recv().await.expect("not closed");
    ///     assert_eq!((tag, &result?.text()[..]), ("the page", "ok"));
    ///     Ok::<(), eyewall::http::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deliver<T: 'static>(
        self,
        queue: &CompletionQueue<(T, Result<Fetched, Error>)>,
        tag: T,
    ) -> Result<FetchHandle, Error> {
        check_reactor(&self)?;
        let (cancel, request) = Cancel::of(self);
        let mut parcel = Parcel {
            queue: queue.giver(),
            cancel: cancel.clone(),
            tag: Some(tag),
            item: None,
        };
        in_background(async move {
            let result = parcel.cancel.or(request.whole()).await;
            parcel.pack(result);
            parcel.queue.push_from(&mut parcel.item).await;
        });
        Ok(FetchHandle::new(cancel))
    }
}

/// A result on its way to the queue, also when its task is dropped.
struct Parcel<T> {
    queue: Giver<(T, Result<Fetched, Error>)>,
    cancel: Cancel,
    tag: Option<T>,
    item: Option<(T, Result<Fetched, Error>)>,
}

impl<T> Parcel<T> {
    fn pack(&mut self, result: Result<Fetched, Error>) {
        if let Some(tag) = self.tag.take() {
            let result = result.map_err(|error| self.cancel.at(error));
            self.item = Some((tag, result));
        }
    }
}

impl<T> Drop for Parcel<T> {
    fn drop(&mut self) {
        self.pack(Err(self.cancel.error()));
        if let Some(item) = self.item.take() {
            self.queue.push_over(item);
        }
    }
}
