/** A platform's own definition that calls one of our steps with parameters of its own. */
export interface Wrapper {
  readonly type: string;
  readonly step: string;
}

/** `smoke-test` of `smoke-test@v1.2.0` */
export function withoutVersion(type: string): string {
  return type.replace(/@.*$/s, '');
}

/**
 * By which definition a step of this type comes to ask for ours: our own, whose parameters are those of the request, or a
 * wrapper. Undefined: by none.
 */
export function definitionFor(type: string, step: string, wrappers: readonly Wrapper[]): 'own' | 'wrapper' | undefined {
  const name = withoutVersion(type);
  if (ownTypes(step).includes(name)) return 'own';
  return wrappers.some((wrapper) => wrapper.type === name && wrapper.step === step) ? 'wrapper' : undefined;
}

/** What is installed for the step; the second where the first is the name of a built-in. */
export function ownTypes(step: string): readonly string[] {
  return [step, `aftersync-${step}`];
}
