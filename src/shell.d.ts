/** Shell scripts are bundled as text (webpack `asset/source`; in tests test/setup.cjs). */
declare module '*.sh' {
  const text: string;
  export default text;
}
