import { type Dispatcher, request } from 'undici';

export interface ExchangeOptions {
  /** Any token: caches have methods of their own, such as PURGE. Default GET. */
  readonly method?: string;
  /** `host` may differ from the URL's. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Exchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** One request and its whole answer; unlike fetch it leaves the Host header to the caller. */
export async function exchange(url: string, options: ExchangeOptions = {}): Promise<Exchange> {
  const { method = 'GET', headers = {}, body = null } = options;
  const answer = await request(url, { method: method as Dispatcher.HttpMethod, headers, body });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}
