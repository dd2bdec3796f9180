/// The server of the guide's examples. It shares no code with the client that it serves.
mod server {
    use std::io::{self, BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Barrier};
    use std::thread;

    /// How many requests for `/together` are answered at a time.
    const TOGETHER: usize = 10;

    /// Starts a server on loopback, on threads of its own, that lives as long as the program. Returns the URL of one of
    /// its pages.
    pub fn serve(page: &str) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}{page}", listener.local_addr()?);
        let together = Arc::new(Barrier::new(TOGETHER));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let together = Arc::clone(&together);
                thread::spawn(move || talk(stream, &together));
            }
        });
        Ok(url)
    }

    /// Answers the requests of one connection.
    fn talk(mut stream: TcpStream, together: &Barrier) -> io::Result<()> {
        let mut requests = BufReader::new(stream.try_clone()?);
        while let Some((page, body, last_event)) = request(&mut requests)? {
            match page.as_str() {
                "/" => answer(&mut stream, "200 OK", b"hello")?,
                "/echo" => answer(&mut stream, "200 OK", &body)?,
                "/never" => {}
                "/together" => {
                    together.wait();
                    answer(&mut stream, "200 OK", b"all here")?;
                }
                "/events" => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n: a feed, broken off\n\n")?;
                    for event in [last_event + 1, last_event + 2] {
                        stream.write_all(format!("id: {event}\ndata: news\n\n").as_bytes())?;
                    }
                    return Ok(());
                }
                "/broken" => {
                    return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                }
                _ => answer(&mut stream, "404 Not Found", b"no such page")?,
            }
        }
        Ok(())
    }

    /// The path and the body of the next request, and the last event that it names or 0; `None` at the end of the
    /// connection.
    fn request(from: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>, u32)>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let page = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut last_event) = (0, 0);
        while line.trim() != "" {
            line.clear();
            from.read_line(&mut line)?;
            let field = line.to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            } else if let Some(value) = field.strip_prefix("last-event-id:") {
                last_event = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some((page, body, last_event)))
    }

    fn answer(to: &mut TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        to.write_all(&[head.as_bytes(), body].concat())
    }
}

use server::serve;
