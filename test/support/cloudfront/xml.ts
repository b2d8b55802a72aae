/** An element with its text, or with what stands in it. Attributes are left out. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Reads the XML that web services speak: elements and text. Throws where they are not well-formed. */
export function parseXml(document: string): XmlElement {
  const open: { name: string; text: string; children: XmlElement[] }[] = [{ name: '', text: '', children: [] }];
  let rest = document.replace(/^\s*<\?xml[^>]*\?>\s*/, '').trim();
  while (rest !== '') {
    const [whole, close, name, selfClosing, text] = /^<(\/)?(\w+)[^>]*?(\/)?>|^([^<]+)/.exec(rest) ?? [];
    const current = open.at(-1);
    if (whole === undefined || current === undefined) throw new Error(`not XML: ${rest.slice(0, 100)}`);
    rest = rest.slice(whole.length);
    if (text !== undefined) current.text += unescaped(text);
    else if (close === undefined) open.push({ name: name ?? '', text: '', children: [] });
    if (close !== undefined || selfClosing !== undefined) {
      const ended = open.pop();
      if (ended === undefined || ended.name !== name) throw new Error(`</${name}> ends nothing`);
      open.at(-1)?.children.push(ended);
    }
  }
  const [root, ...others] = open.length === 1 ? (open[0]?.children ?? []) : [];
  if (root === undefined || others.length > 0) throw new Error('not one element');
  return root;
}

export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code: string | undefined, name: string | undefined) =>
    code === undefined ? (ENTITIES[name ?? ''] ?? whole) : String.fromCharCode(Number(code)),
  );
}
