/** Nothing more is read or written: close() was called. */
export class StoreClosed extends Error {
  constructor() {
    super('the store is closed');
    this.name = 'StoreClosed';
  }
}
